// @ts-check
/**
 * `<headwater-composer task="…">`: the prompt, sent once, given back when it could not be sent.
 *
 * It stops the reply that has its turn, by its button or by Escape. With `user-id` and `user-name`
 * others see that somebody writes. `limit` is the conversation's, so that both share one query.
 *
 *     headwater-sent     {taskId}: a prompt is on its way
 *     headwater-tools    {names}: what may be offered to Claude has changed
 */

import { isRunning } from "../client/documents.js";
import { element, icon } from "./dom.js";
import { HeadwaterElement } from "./headwater_element.js";
import { typingMs } from "./limits.js";
import { joinStay } from "./stay.js";
import { ToolsSwitch } from "./tools_switch.js";

/** @import { Client } from "../client.js" */
/** @import { ChatMessage } from "../client/documents.js" */
/** @import { Stay } from "./stay.js" */

export class HeadwaterComposer extends HeadwaterElement {
  static sheets = [new URL("./composer.css", import.meta.url).href];
  static observedAttributes = [
    ...HeadwaterElement.observedAttributes,
    "limit",
    "user-id",
    "user-name",
  ];

  #prompt = element("textarea", "prompt");
  #send = iconButton("send", "Send", "Send (Enter)", "M8 13V3M3.5 7.5 8 3l4.5 4.5");
  #stop = iconButton("stop", "Stop", "Stop (Esc)", "M4 4h8v8H4z");
  #tools = new ToolsSwitch((names) => this.emit("headwater-tools", { names }));
  #sending = false;
  /** @type {string | null} */
  #runningId = null;
  /** @type {Stay | null} */
  #stay = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pausing;

  build() {
    this.#prompt.rows = 1;
    this.#prompt.placeholder = "Ask something";
    this.#prompt.enterKeyHint = "send";
    this.#prompt.ariaLabel = "Prompt";
    this.#send.type = "submit";
    this.#send.disabled = true;
    this.#stop.hidden = true;
    const form = element(
      "form",
      "composer",
      element("div", "field", this.#prompt, this.#stop, this.#send),
      element("div", "below", this.#tools.element, hint()),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#submit();
    });
    this.#prompt.addEventListener("input", () => {
      this.#fit();
      this.#sayTyping();
    });
    this.#prompt.addEventListener("keydown", (event) => {
      // Keys that end a composition choose a word or throw it away; they do nothing else.
      if (event.isComposing) return;
      if (event.key === "Escape") void this.stop();
      if (event.key !== "Enter" || event.shiftKey) return;
      event.preventDefault();
      form.requestSubmit();
    });
    this.#stop.addEventListener("click", () => void this.stop());
    this.replaceChildren(form);
  }

  focus() {
    this.#prompt.focus();
  }

  /**
   * Put a prompt there, to be sent or changed.
   * @param {string} prompt
   * @param {{ withTools?: boolean }} [options]
   */
  suggest(prompt, { withTools = false } = {}) {
    if (withTools) this.#tools.turnOn();
    this.#prompt.value = prompt;
    this.#fit();
    this.focus();
  }

  clear() {
    this.#setRunning(null);
    this.#fit();
  }

  /**
   * @param {Client} client
   * @param {string} taskId
   */
  start(client, taskId) {
    this.#fit();
    this.whenStopped(this.#tools.follow(client, taskId));
    const limit = Number(this.getAttribute("limit")) || undefined;
    // Whether there are messages is the conversation's to tell.
    this.follow(
      "messages.byTask",
      { taskId, limit },
      (/** @type {ChatMessage[]} */ messages) =>
        this.#setRunning(messages.find(isRunning)?._id ?? null),
      () => this.#setRunning(null),
    );
    const userId = this.getAttribute("user-id");
    const userName = this.getAttribute("user-name");
    if (!userId || !userName) return;
    const stay = joinStay(client, { taskId, userId, userName });
    this.#stay = stay;
    this.whenStopped(() => {
      clearTimeout(this.#pausing);
      this.#stay = null;
      stay.leave();
    });
  }

  /** Stop the reply that has its turn, if there is one. What waits behind it goes on. */
  async stop() {
    const messageId = this.#runningId;
    if (!messageId || this.#stop.ariaDisabled === "true") return;
    this.#stop.ariaDisabled = "true";
    if (await this.told(this.client.action("streaming.cancelStream", { messageId }))) return;
    this.#stop.ariaDisabled = null;
  }

  /** @param {string | null} messageId The reply that has its turn. */
  #setRunning(messageId) {
    if (messageId === this.#runningId) return;
    const hadFocus = document.activeElement === this.#stop;
    this.#runningId = messageId;
    this.#stop.ariaDisabled = null;
    this.#stop.hidden = messageId === null;
    if (hadFocus && messageId === null) this.#prompt.focus();
  }

  /** Grow with the text, and allow sending when there is something to send. */
  #fit() {
    const { style, value } = this.#prompt;
    style.height = "auto"; // one row, also when the style sheet comes after the first look at it
    if (value) style.height = `${this.#prompt.scrollHeight}px`;
    this.#send.disabled = this.#sending || !this.taskId || this.#prompt.value.trim() === "";
  }

  /** Others see it until nothing has been typed for a while. */
  #sayTyping() {
    clearTimeout(this.#pausing);
    const isTyping = this.#prompt.value.trim() !== "";
    this.#stay?.say({ activity: isTyping ? "typing" : "viewing" });
    if (!isTyping) return;
    this.#pausing = setTimeout(() => this.#stay?.say({ activity: "viewing" }), typingMs);
  }

  async #submit() {
    const prompt = this.#prompt.value.trim();
    const { taskId } = this;
    if (this.#sending || !taskId || !prompt) return;
    this.#sending = true;
    this.#prompt.value = "";
    // A button that is disabled keeps no focus.
    if (document.activeElement === this.#send) this.#prompt.focus();
    this.#fit();
    this.#sayTyping();
    this.emit("headwater-sent", { taskId });
    if (!(await this.told(this.#ask({ taskId, prompt })))) this.#prompt.value ||= prompt;
    this.#sending = false;
    this.#fit();
  }

  /** @param {{ taskId: string, prompt: string }} asked */
  #ask(asked) {
    const tools = this.#tools.offered;
    if (tools.length === 0) return this.client.action("streaming.streamChat", asked);
    return this.client.action("streaming.streamChatWithTools", { ...asked, tools });
  }
}

/**
 * @param {string} className
 * @param {string} label
 * @param {string} title
 * @param {string} path
 */
function iconButton(className, label, title, path) {
  const button = element("button", className, icon(path));
  button.type = "button";
  button.ariaLabel = label;
  button.title = title;
  return button;
}

function hint() {
  const key = (/** @type {string} */ name) => element("kbd", "", name);
  const words = [key("Enter"), " sends, ", key("Shift"), " ", key("Enter")];
  const more = [" begins a new line, ", key("Esc"), " stops a reply"];
  return element("p", "hint", ...words, ...more);
}
