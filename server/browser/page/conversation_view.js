// @ts-check
/** The conversation of one task: live, and followed to its end. */

import { Announcer } from "./announcer.js";
import { isRunning } from "./documents.js";
import { byId, KeyedViews } from "./elements.js";
import { followEnd } from "./follow.js";
import { followedMessagesMax } from "./limits.js";
import { MessageView } from "./message_view.js";

/** @import { Client } from "../client.js" */
/** @import { ChatMessage, ToolCall } from "./documents.js" */
/** @import { MessageActions } from "./message_view.js" */

export class ConversationView {
  #client;
  #onProblem;
  #onRunning;
  #announcer = new Announcer();
  #log = byId("conversation", HTMLElement);
  #empty = byId("empty", HTMLElement);
  #latest = byId("latest", HTMLButtonElement);
  #end = followEnd(byId("scroller", HTMLElement), this.#log, (following) => {
    this.#latest.hidden = following;
  });
  /** @type {KeyedViews<ChatMessage, MessageView>} */
  #views;
  #unsubscribe = () => {};
  #failed = false;

  /**
   * @param {Client} client
   * @param {object} handlers
   * @param {(problem: unknown) => void} handlers.onProblem Null: there is none any more.
   * @param {(messageId: string | null) => void} handlers.onRunning The reply that has its turn.
   */
  constructor(client, { onProblem, onRunning }) {
    this.#client = client;
    this.#onProblem = onProblem;
    this.#onRunning = onRunning;
    const actions = this.#createActions();
    this.#views = new KeyedViews(
      this.#log,
      (message) => message._id,
      () => new MessageView(actions),
    );
    this.#latest.addEventListener("click", () => this.follow());
  }

  follow() {
    this.#end.follow();
  }

  /** @param {string | null} taskId */
  show(taskId) {
    this.#unsubscribe();
    this.#unsubscribe = () => {};
    this.#failed = false;
    this.#announcer.forget();
    this.#update([]);
    this.#empty.hidden = true;
    this.#end.follow();
    if (!taskId) return;
    this.#unsubscribe = this.#client.subscribe(
      "messages.byTask",
      { taskId },
      {
        onChange: (/** @type {ChatMessage[]} */ messages) => {
          if (this.#failed) this.#onProblem(null);
          this.#failed = false;
          this.#update(messages);
          this.#empty.hidden = messages.length > 0;
        },
        onError: (error) => {
          this.#update([]);
          this.#failed = true;
          this.#onProblem(error);
        },
      },
    );
  }

  /** @param {ChatMessage[]} messages */
  #update(messages) {
    this.#views.update(messages);
    const current = messages.find(isRunning);
    const last = messages.at(-1);
    messages.forEach((message, index) => {
      this.#views.get(message._id)?.setPlace({
        isLast: message === last,
        isRecent: index >= messages.length - followedMessagesMax,
        isQueued: message !== current && isRunning(message),
      });
      this.#announcer.sawMessage(message);
    });
    this.#onRunning(current?._id ?? null);
  }

  /** @returns {MessageActions} */
  #createActions() {
    const client = this.#client;
    /** @param {Promise<unknown>} call */
    const told = async (call) => {
      try {
        await call;
        this.#onProblem(null);
      } catch (error) {
        this.#onProblem(error);
      }
    };
    return {
      stop: (messageId) => told(client.action("streaming.cancelStream", { messageId })),
      resume: (messageId) => {
        this.follow();
        return told(client.action("streaming.resumeStream", { messageId }));
      },
      approve: (toolCallId) =>
        told(client.mutation("toolCallTracking.approve", { toolCallId })),
      deny: (toolCallId, reason) =>
        told(
          client.mutation("toolCallTracking.deny", { toolCallId, ...(reason && { reason }) }),
        ),
      answer: (toolCallId, result) =>
        told(
          client.mutation("toolCallTracking.updateResult", {
            toolCallId,
            status: "COMPLETED",
            result,
          }),
        ),
      followCalls: (messageId, onCalls) =>
        client.subscribe(
          "toolCallTracking.byMessage",
          { messageId },
          {
            onChange: (/** @type {ToolCall[]} */ calls) => {
              onCalls(calls);
              for (const call of calls) this.#announcer.sawCall(call);
            },
            onError: this.#onProblem,
          },
        ),
    };
  }
}
