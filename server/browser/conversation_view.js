// @ts-check
/** The conversation of one task: live, and followed to its end. */

import { byId, KeyedViews } from "./elements.js";
import { followEnd } from "./follow.js";
import { MessageView } from "./message_view.js";

/** @import { Client } from "./client.js" */
/** @import { ChatMessage } from "./documents.js" */

export class ConversationView {
  #client;
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
   * @param {(problem: unknown) => void} handlers.onProblem Null: there is none any more.
   */
  constructor(client, { onProblem }) {
    this.#client = client;
    this.#onProblem = onProblem;
    this.#views = new KeyedViews(
      this.#log,
      (message) => message._id,
      () => new MessageView(),
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
    this.#views.update([]);
    this.#empty.hidden = true;
    this.#end.follow();
    if (!taskId) return;
    this.#unsubscribe = this.#client.subscribe(
      "messages.byTask",
      { taskId },
      {
        onChange: (/** @type {ChatMessage[]} */ messages) => {
          this.#onProblem(null);
          this.#views.update(messages);
          this.#empty.hidden = messages.length > 0;
        },
        onError: (error) => {
          this.#views.update([]);
          this.#onProblem(error);
        },
      },
    );
  }
}
