// @ts-check
/**
 * `<headwater-conversation task="…">`: a task's messages, live, and followed to their end.
 *
 * What it is given as children is shown while there is no message. `limit` (200) is how many of the
 * newest messages are shown.
 */

import { Announcer } from "./announcer.js";
import { isRunning } from "../client/documents.js";
import { element } from "./dom.js";
import { followEnd } from "./follow_end.js";
import { HeadwaterElement } from "./headwater_element.js";
import { KeyedViews } from "./keyed_views.js";
import { followedMessagesMax } from "./limits.js";
import { MessageView } from "./message_view.js";

/** @import { Client } from "../client.js" */
/** @import { ChatMessage, ToolCall } from "../client/documents.js" */
/** @import { MessageActions } from "./message_view.js" */

export class HeadwaterConversation extends HeadwaterElement {
  static sheets = [
    new URL("./conversation.css", import.meta.url).href,
    new URL("./message.css", import.meta.url).href,
    new URL("./tool.css", import.meta.url).href,
    new URL("./prose.css", import.meta.url).href,
    new URL("./writing.css", import.meta.url).href,
  ];
  static observedAttributes = [...HeadwaterElement.observedAttributes, "limit"];

  #announcer = new Announcer();
  #log = element("div", "log");
  #empty = element("div", "empty");
  #scroller = element("section", "scroller", this.#log, this.#empty);
  #end = followEnd(this.#scroller, this.#log);
  /** @type {KeyedViews<ChatMessage, MessageView>} */
  #views = new KeyedViews(
    this.#log,
    (message) => message._id,
    () => new MessageView(this.#actions),
  );
  #actions = this.#createActions();

  /** What cursors are measured against: it is as wide wherever there is room. */
  get surface() {
    return this.#log;
  }

  build() {
    const given = [...this.childNodes];
    const isGiven = given.some((node) => node instanceof Element);
    this.#empty.append(...(isGiven ? given : [element("p", "", "No messages yet.")]));
    this.#empty.hidden = true;
    // Text comes in bits, and a long past comes at once: what is read aloud, the announcer says.
    this.#scroller.tabIndex = 0;
    this.#scroller.ariaLabel = "Conversation";
    this.replaceChildren(this.#scroller, this.#end.button, this.#announcer.element);
  }

  /** Go to the end, and stay there. */
  followEnd() {
    this.#end.follow();
  }

  clear() {
    this.#announcer.forget();
    this.#update([]);
    this.#empty.hidden = true;
    this.#end.follow();
  }

  /**
   * @param {Client} _client
   * @param {string} taskId
   */
  start(_client, taskId) {
    const limit = Number(this.getAttribute("limit")) || undefined;
    this.follow(
      "messages.byTask",
      { taskId, limit },
      (/** @type {ChatMessage[]} */ messages) => {
        this.#update(messages);
        this.#empty.hidden = messages.length > 0;
      },
      (error) => {
        this.#update([]);
        this.report(error);
      },
    );
    const onSent = (/** @type {Event} */ event) => {
      if (/** @type {CustomEvent} */ (event).detail.taskId === taskId) this.followEnd();
    };
    document.addEventListener("headwater-sent", onSent);
    this.whenStopped(() => document.removeEventListener("headwater-sent", onSent));
  }

  /** @param {ChatMessage[]} messages */
  #update(messages) {
    this.#views.update(messages);
    const current = messages.find(isRunning);
    const last = messages.at(-1);
    messages.forEach((message, index) => {
      const view = this.#views.get(message._id);
      view?.setPlace({
        isLast: message === last,
        isRecent: index >= messages.length - followedMessagesMax,
        isQueued: message !== current && isRunning(message),
      });
      const read = () => view?.readProse() ?? "";
      this.#announcer.sawMessage(message, { hasTurn: message === current, read });
    });
  }

  /** @returns {MessageActions} */
  #createActions() {
    /**
     * @param {string} functionName
     * @param {Record<string, unknown>} args
     */
    const act = async (functionName, args) => {
      await this.told(this.client.action(functionName, args));
    };
    /**
     * @param {string} functionName
     * @param {Record<string, unknown>} args
     */
    const change = async (functionName, args) => {
      await this.told(this.client.mutation(functionName, args));
    };
    return {
      stop: (messageId) => act("streaming.cancelStream", { messageId }),
      resume: (messageId) => {
        this.followEnd();
        return act("streaming.resumeStream", { messageId });
      },
      approve: (toolCallId) => change("toolCallTracking.approve", { toolCallId }),
      deny: (toolCallId, reason) =>
        change("toolCallTracking.deny", { toolCallId, ...(reason && { reason }) }),
      answer: (toolCallId, result) =>
        change("toolCallTracking.updateResult", { toolCallId, status: "COMPLETED", result }),
      followCalls: (messageId, onCalls) =>
        this.client.subscribe(
          "toolCallTracking.byMessage",
          { messageId },
          {
            onChange: (/** @type {ToolCall[]} */ calls) => {
              onCalls(calls);
              for (const call of calls) this.#announcer.sawCall(call);
            },
            onError: (error) => this.report(error),
          },
        ),
    };
  }
}
