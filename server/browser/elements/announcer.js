// @ts-check
/** Tells a reader of the screen what changed elsewhere on the page, once, when it is there. */

import { awaitsApproval, isRunning } from "./documents.js";
import { element } from "./dom.js";

/** @import { ChatMessage, ToolCall } from "./documents.js" */

/** @type {Record<string, string>} */
const endings = {
  COMPLETED: "The reply is complete.",
  CANCELLED: "The reply was stopped.",
  FAILED: "The reply failed.",
  INTERRUPTED: "The reply was interrupted.",
};

export class Announcer {
  element = element("p", "announcements unseen");
  /** @type {Set<string>} */
  #running = new Set();
  /** @type {Set<string>} */
  #asked = new Set();

  constructor() {
    this.element.role = "status";
  }

  /** Another conversation begins. */
  forget() {
    this.#running.clear();
    this.#asked.clear();
    this.element.textContent = "";
  }

  /** @param {ChatMessage} message */
  sawMessage(message) {
    if (isRunning(message)) this.#running.add(message._id);
    else if (this.#running.delete(message._id)) this.#say(endings[message.status] ?? "");
  }

  /** @param {ToolCall} call */
  sawCall(call) {
    if (!awaitsApproval(call)) return;
    if (this.#asked.has(call.toolCallId)) return;
    this.#asked.add(call.toolCallId);
    this.#say(`${call.toolName} waits for your approval.`);
  }

  /** @param {string} text */
  #say(text) {
    this.element.textContent = text;
  }
}
