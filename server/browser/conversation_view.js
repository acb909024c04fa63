// @ts-check
/** The conversation of one task: live, and followed to its end. */

import { isRunning } from "./documents.js";
import { byId, KeyedViews } from "./elements.js";
import { followEnd } from "./follow.js";
import { MessageView } from "./message_view.js";

/** @import { Client } from "./client.js" */
/** @import { ChatMessage } from "./documents.js" */

export class ConversationView {
  #client;
  #onRunning;
  #onProblem;
  #log = byId("conversation", HTMLElement);
  #empty = byId("empty", HTMLElement);
  #latest = byId("latest", HTMLButtonElement);
  #end = followEnd(byId("scroller", HTMLElement), this.#log, (following) => {
    this.#latest.hidden = following;
  });
  /** @type {KeyedViews<ChatMessage, MessageView>} */
  #views;
  #unsubscribe = () => {};

  /**
   * @param {Client} client
   * @param {object} handlers
   * @param {(messageId: string | null) => void} handlers.onRunning The reply that is being written.
   * @param {(problem: unknown) => void} handlers.onProblem Null: there is none any more.
   */
  constructor(client, { onRunning, onProblem }) {
    this.#client = client;
    this.#onRunning = onRunning;
    this.#onProblem = onProblem;
    this.#views = new KeyedViews(
      this.#log,
      (message) => message._id,
      () => {
        return new MessageView((messageId) => this.#resume(messageId));
      },
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
    this.#update([]);
    this.#empty.hidden = true;
    this.#end.follow();
    if (!taskId) return;
    this.#unsubscribe = this.#client.subscribe(
      "messages.byTask",
      { taskId },
      {
        onChange: (/** @type {ChatMessage[]} */ messages) => {
          this.#onProblem(null);
          this.#update(messages);
          this.#empty.hidden = messages.length > 0;
        },
        onError: (error) => {
          this.#update([]);
          this.#onProblem(error);
        },
      },
    );
  }

  /** @param {ChatMessage[]} messages */
  #update(messages) {
    this.#views.update(messages);
    this.#onRunning(messages.findLast(isRunning)?._id ?? null);
  }

  /** @param {string} messageId */
  async #resume(messageId) {
    try {
      await this.#client.action("streaming.resumeStream", { messageId });
    } catch (error) {
      this.#onProblem(error);
    }
  }
}
