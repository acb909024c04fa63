// @ts-check
/**
 * Tells a reader of the screen what changed elsewhere on the page, once: that a reply is being
 * written, how it ended and what it says, and what waits for them.
 *
 * Each is a line of its own, since one that took another's place would silence it.
 */

import { awaitsApproval, isRunning } from "../client/documents.js";
import { element } from "./dom.js";
import { announcementsMax, spokenCharactersMax } from "./limits.js";
import { noteOf } from "./message_words.js";

/** @import { ChatMessage, ToolCall } from "../client/documents.js" */

/** @type {Record<string, string>} */
const endings = {
  COMPLETED: "The reply is complete.",
  CANCELLED: "The reply was stopped.",
  FAILED: "The reply failed.",
  INTERRUPTED: "The reply was interrupted.",
};

export class Announcer {
  element = element("div", "announcements unseen");
  /** @type {Map<string, boolean>} Whether it was told that it is being written. */
  #running = new Map();
  /** @type {Set<string>} */
  #asked = new Set();

  constructor() {
    this.element.role = "log";
    this.element.ariaLive = "polite";
    this.element.ariaLabel = "News";
  }

  /** Another conversation begins. */
  forget() {
    this.#running.clear();
    this.#asked.clear();
    this.element.replaceChildren();
  }

  /**
   * @param {ChatMessage} message
   * @param {object} about
   * @param {boolean} about.hasTurn Whether it is the one that is being written.
   * @param {() => string} about.read What it says by now.
   */
  sawMessage(message, { hasTurn, read }) {
    const { _id, status } = message;
    if (isRunning(message)) {
      if (hasTurn && !this.#running.get(_id)) this.#say("A reply is being written.");
      this.#running.set(_id, hasTurn || this.#running.get(_id) === true);
      return;
    }
    if (!this.#running.delete(_id)) return;
    const more = status === "CANCELLED" ? "" : noteOf(message, false, 0);
    const text = status === "COMPLETED" ? beginningOf(read()) : "";
    this.#say([endings[status], more, text].filter(Boolean).join(" "));
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
    this.element.append(element("p", "", text));
    while (this.element.children.length > announcementsMax) this.element.firstChild?.remove();
  }
}

/** @param {string} text */
function beginningOf(text) {
  if (text.length <= spokenCharactersMax) return text;
  return `${text.slice(0, text.lastIndexOf(" ", spokenCharactersMax) + 1 || spokenCharactersMax)}…`;
}
