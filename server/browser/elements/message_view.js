// @ts-check
/** One message of a conversation: its parts, how it stands, what it took, what can be done. */

import { citedText, Sources } from "./citations.js";
import { isResumable, isRunning } from "../client/documents.js";
import { actionButton, element, setText } from "./dom.js";
import { factsOf, noteOf } from "./message_words.js";
import { PlainView, ReasoningView, SeamView, SourceList } from "./part_views.js";
import { Prose } from "./prose.js";
import { ToolView } from "./tool_view.js";

/** @import { ChatMessage, ToolCall, ToolResultPart } from "../client/documents.js" */
/** @import { ShownCall } from "./tool_view.js" */
/** @import { ToolActions } from "./tool_forms.js" */

/** @typedef {{ element: HTMLElement, update: (value: any) => void }} PartView */

/**
 * What is shown, in order. Neighbouring texts are one, since Claude begins a new one in the middle
 * of a sentence where a citation ends; and a result belongs to its call.
 * @typedef {{ kind: "text", value: { text: string } }
 *   | { kind: "reasoning", value: { text: string, growing: boolean } }
 *   | { kind: "tool", value: ShownCall }
 *   | { kind: "seam", value: null }} Shown
 */

/**
 * What the page can do for a message. Each tells the reader when it fails.
 * @typedef {object} ReplyActions
 * @property {(messageId: string) => Promise<void>} stop
 * @property {(messageId: string) => Promise<void>} resume
 * @property {(messageId: string, onCalls: (calls: ToolCall[]) => void) => () => void} followCalls
 */

/** @typedef {ReplyActions & ToolActions} MessageActions */

/**
 * @typedef {object} Place
 * @property {boolean} isLast
 * @property {boolean} isRecent Whether its calls of tools are followed.
 * @property {boolean} isQueued Whether an earlier reply has its turn.
 */

export class MessageView {
  element = element("article", "message");
  #parts = element("div", "parts");
  #sources = new SourceList();
  #note = element("p", "note");
  #facts = element("p", "facts");
  #resume;
  #withdraw;
  #actions;
  /** @type {{ kind: Shown["kind"], view: PartView, value: object | null | undefined }[]} */
  #views = [];
  /** @type {ChatMessage | null} */
  #message = null;
  /** @type {Place} */
  #place = { isLast: false, isRecent: false, isQueued: false };
  /** @type {Map<string, ToolCall>} */
  #calls = new Map();
  /** @type {(() => void) | null} */
  #unfollow = null;
  /** @type {number | undefined} */
  #ticking;

  /** @param {MessageActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.element.tabIndex = -1;
    this.#resume = actionButton("Continue", "act", () => actions.resume(this.#id));
    this.#withdraw = actionButton("Withdraw", "act", () => actions.stop(this.#id));
    this.element.append(
      this.#parts,
      this.#sources.element,
      this.#note,
      element("div", "acts", this.#resume, this.#withdraw),
      this.#facts,
    );
  }

  get #id() {
    return this.#message?._id ?? "";
  }

  /** @param {ChatMessage} message */
  update(message) {
    this.#message = message;
    this.#followCalls();
    this.#show();
  }

  /** @param {Place} place */
  setPlace(place) {
    if (isSame(this.#place, place)) return;
    this.#place = place;
    this.#followCalls();
    this.#show();
  }

  /** What it says, without its thoughts and its tools, as it is shown. */
  readProse() {
    const shown = this.#parts.querySelectorAll(":scope > .prose");
    return [...shown].map((prose) => /** @type {HTMLElement} */ (prose).innerText).join("\n");
  }

  close() {
    this.#unfollow?.();
    clearTimeout(this.#ticking);
  }

  #followCalls() {
    const calls = this.#message?.parts.some(({ type }) => type === "tool-call");
    const wanted = this.#place.isRecent && calls;
    if (wanted === Boolean(this.#unfollow)) return;
    this.#unfollow?.();
    this.#unfollow = null;
    if (!wanted) return;
    this.#unfollow = this.#actions.followCalls(this.#id, (calls) => {
      this.#calls = new Map(calls.map((call) => [call.toolCallId, call]));
      this.#show();
    });
  }

  #show() {
    const message = this.#message;
    if (!message) return;
    const running = isRunning(message);
    this.element.dataset.role = message.role;
    this.element.dataset.status = message.status;
    this.element.classList.toggle("queued", this.#place.isQueued);
    this.element.setAttribute("aria-busy", String(running));
    this.element.setAttribute("aria-label", message.role === "user" ? "You" : "Reply");
    this.#showParts(message);
    this.#showNote(message);
    setText(this.#facts, factsOf(message));
    this.#facts.hidden = message.role === "user" || running;
    setText(this.#resume, message.parts.length > 0 ? "Continue" : "Try again");
    this.#allow(this.#resume, this.#place.isLast && isResumable(message));
    this.#allow(this.#withdraw, this.#place.isQueued);
  }

  /**
   * Show a button or hide it; the focus that it had stays in the message.
   * @param {HTMLButtonElement} button
   * @param {boolean} allowed
   */
  #allow(button, allowed) {
    const hadFocus = document.activeElement === button;
    button.hidden = !allowed;
    if (hadFocus && !allowed) this.element.focus();
  }

  /** @param {ChatMessage} message */
  #showParts(message) {
    const sources = new Sources();
    const shown = shownParts(message, this.#calls, sources);
    shown.forEach(({ kind, value }, index) => {
      let kept = this.#views[index];
      if (kept?.kind !== kind) {
        const view = this.#createView(kind, message.role);
        if (kept) kept.view.element.replaceWith(view.element);
        else this.#parts.append(view.element);
        this.#views[index] = kept = { kind, view, value: undefined };
      }
      if (!isSame(kept.value, value)) kept.view.update(value);
      kept.value = value;
    });
    for (const { view } of this.#views.splice(shown.length)) view.element.remove();
    this.#sources.update(sources.list);
  }

  /**
   * @param {Shown["kind"]} kind
   * @param {ChatMessage["role"]} role
   * @returns {PartView}
   */
  #createView(kind, role) {
    switch (kind) {
      case "text":
        return role === "user" ? new PlainView() : new Prose();
      case "reasoning":
        return new ReasoningView();
      case "tool":
        return new ToolView(this.#actions);
      case "seam":
        return new SeamView();
    }
  }

  /** @param {ChatMessage} message A pause before the next attempt is counted down. */
  #showNote(message) {
    const note = noteOf(message, this.#place.isQueued, Date.now());
    setText(this.#note, note);
    this.#note.hidden = note === "";
    clearTimeout(this.#ticking);
    if (!isRunning(message) || !message.retrying) return;
    this.#ticking = setTimeout(() => this.#showNote(message), 1000);
  }
}

/**
 * @param {ChatMessage} message
 * @param {Map<string, ToolCall>} calls By toolCallId.
 * @param {Sources} sources
 * @returns {Shown[]}
 */
function shownParts(message, calls, sources) {
  const { parts } = message;
  const replyRuns = isRunning(message);
  /** @type {Map<string, ToolResultPart>} */
  const results = new Map();
  for (const part of parts) if (part.type === "tool-result") results.set(part.toolCallId, part);
  /** @type {Shown[]} */
  const shown = [];
  parts.forEach((part, index) => {
    if (part.seam) shown.push({ kind: "seam", value: null });
    const growing = replyRuns && index === parts.length - 1;
    const last = shown.at(-1);
    switch (part.type) {
      case "text": {
        const text = citedText(part, sources);
        if (last?.kind === "text") last.value.text += text;
        else shown.push({ kind: "text", value: { text } });
        break;
      }
      case "reasoning":
        shown.push({ kind: "reasoning", value: { text: part.text, growing } });
        break;
      case "tool-call": {
        const { toolCallId } = part;
        const [result, call] = [results.get(toolCallId), calls.get(toolCallId)];
        shown.push({ kind: "tool", value: { part, result, call, replyRuns } });
      }
    }
  });
  return shown;
}

/**
 * Whether two values have the same fields; each change makes a new object of what it changes.
 * @param {Record<string, any> | null | undefined} before
 * @param {Record<string, any> | null} after
 */
function isSame(before, after) {
  if (!before || !after) return before === after;
  return Object.keys(after).every((name) => before[name] === after[name]);
}
