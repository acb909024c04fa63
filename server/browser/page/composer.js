// @ts-check
/** The prompt: written here, sent once, given back when it could not be sent; and what is stopped. */

import { byId } from "./elements.js";
import { ToolsSwitch } from "./tools_switch.js";

/** @import { Client } from "../client.js" */

export class Composer {
  #client;
  #onSend;
  #onProblem;
  #tools;
  #form = byId("composer", HTMLFormElement);
  #prompt = byId("prompt", HTMLTextAreaElement);
  #send = byId("send", HTMLButtonElement);
  #stop = byId("stop", HTMLButtonElement);
  #sending = false;
  /** @type {string | null} */
  #taskId = null;
  /** @type {string | null} */
  #runningId = null;

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
    this.#tools = new ToolsSwitch(client);
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
    this.#stop.addEventListener("click", () => void this.stop());
    byId("suggestions", HTMLElement).addEventListener("click", (event) => {
      if (!(event.target instanceof HTMLButtonElement)) return;
      if (event.target.dataset.tools !== undefined) this.#tools.turnOn();
      this.#prompt.value = event.target.textContent ?? "";
      this.#fit();
      this.#prompt.focus();
    });
  }

  /** @param {string | null} taskId */
  setTask(taskId) {
    this.#taskId = taskId;
    this.#tools.setTask(taskId);
    this.#fit();
  }

  /** @param {string | null} messageId The reply that has its turn. */
  setRunning(messageId) {
    if (messageId === this.#runningId) return;
    const hadFocus = document.activeElement === this.#stop;
    this.#runningId = messageId;
    this.#stop.ariaDisabled = null;
    this.#stop.hidden = messageId === null;
    if (hadFocus && messageId === null) this.#prompt.focus();
  }

  /** Stop the reply that has its turn, if there is one. What waits behind it goes on. */
  async stop() {
    const messageId = this.#runningId;
    if (!messageId || this.#stop.ariaDisabled === "true") return;
    this.#stop.ariaDisabled = "true";
    try {
      await this.#client.action("streaming.cancelStream", { messageId });
    } catch (error) {
      this.#stop.ariaDisabled = null;
      this.#onProblem(error);
    }
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
      await this.#ask({ taskId: this.#taskId, prompt });
    } catch (error) {
      this.#prompt.value ||= prompt;
      this.#onProblem(error);
    } finally {
      this.#sending = false;
      this.#fit();
    }
  }

  /** @param {{ taskId: string, prompt: string }} asked */
  #ask(asked) {
    const tools = this.#tools.offered;
    if (tools.length === 0) return this.#client.action("streaming.streamChat", asked);
    return this.#client.action("streaming.streamChatWithTools", { ...asked, tools });
  }
}
