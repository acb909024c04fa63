// @ts-check
/** The prompt: written here, sent once, given back when it could not be sent. */

import { byId } from "./elements.js";

/** @import { Client } from "./client.js" */

export class Composer {
  #client;
  #onSend;
  #onProblem;
  #form = byId("composer", HTMLFormElement);
  #prompt = byId("prompt", HTMLTextAreaElement);
  #send = byId("send", HTMLButtonElement);
  #sending = false;
  /** @type {string | null} */
  #taskId = null;

  /**
   * @param {Client} client
   * @param {object} handlers
   * @param {() => void} handlers.onSend
   * @param {(problem: unknown) => void} handlers.onProblem
   */
  constructor(client, { onSend, onProblem }) {
    this.#client = client;
    this.#onSend = onSend;
    this.#onProblem = onProblem;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#prompt.addEventListener("input", () => this.#fit());
    this.#prompt.addEventListener("keydown", (event) => {
      // Enter that ends a composition chooses a word, it does not send.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    byId("suggestions", HTMLElement).addEventListener("click", (event) => {
      if (!(event.target instanceof HTMLButtonElement)) return;
      this.#prompt.value = event.target.textContent ?? "";
      this.#fit();
      this.#prompt.focus();
    });
  }

  /** @param {string | null} taskId */
  setTask(taskId) {
    this.#taskId = taskId;
    this.#fit();
  }

  /** Grow with the text, and allow sending when there is something to send. */
  #fit() {
    this.#prompt.style.height = "auto";
    this.#prompt.style.height = `${this.#prompt.scrollHeight}px`;
    this.#send.disabled = this.#sending || !this.#taskId || this.#prompt.value.trim() === "";
  }

  async #submit() {
    const prompt = this.#prompt.value.trim();
    if (this.#sending || !this.#taskId || !prompt) return;
    this.#sending = true;
    this.#prompt.value = "";
    this.#fit();
    this.#onProblem(null);
    this.#onSend();
    try {
      await this.#client.action("streaming.streamChat", { taskId: this.#taskId, prompt });
    } catch (error) {
      this.#prompt.value ||= prompt;
      this.#onProblem(error);
    } finally {
      this.#sending = false;
      this.#fit();
    }
  }
}
