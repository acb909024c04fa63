// @ts-check
/** One message of a conversation: its parts, how it stands, what it took. */

import { isRunning } from "./documents.js";
import { element, growText } from "./elements.js";
import { Prose } from "./prose.js";

/** @import { ChatMessage, Part } from "./documents.js" */

/** @typedef {{ element: HTMLElement, update: (part: any, growing: boolean) => void }} PartView */

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const count = new Intl.NumberFormat();

export class MessageView {
  element = element("article", "message");
  #parts = element("div", "parts");
  #note = element("p", "note");
  #facts = element("p", "facts");
  /** @type {{ type: Part["type"], view: PartView }[]} */
  #views = [];

  constructor() {
    this.element.append(this.#parts, this.#note, this.#facts);
  }

  /** @param {ChatMessage} message */
  update(message) {
    const running = isRunning(message);
    const note = noteOf(message);
    this.element.dataset.role = message.role;
    this.element.dataset.status = message.status;
    // A reader of the screen hears a reply when it is whole, not letter by letter.
    this.element.setAttribute("aria-busy", String(running));
    this.element.setAttribute("aria-label", message.role === "user" ? "You" : "Reply");
    this.#updateParts(message, running);
    setText(this.#note, note);
    this.#note.hidden = note === "";
    setText(this.#facts, factsOf(message));
    this.#facts.hidden = message.role === "user" || running;
  }

  /**
   * @param {ChatMessage} message
   * @param {boolean} running
   */
  #updateParts({ role, parts }, running) {
    parts.forEach((part, index) => {
      let kept = this.#views[index];
      if (kept?.type !== part.type) {
        const view = createPartView(part, role);
        if (kept) kept.view.element.replaceWith(view.element);
        else this.#parts.append(view.element);
        this.#views[index] = kept = { type: part.type, view };
      }
      kept.view.update(part, running && index === parts.length - 1);
    });
    for (const { view } of this.#views.splice(parts.length)) view.element.remove();
  }
}

/**
 * @param {Part} part
 * @param {ChatMessage["role"]} role
 * @returns {PartView}
 */
function createPartView(part, role) {
  if (part.type === "reasoning") return new ReasoningView();
  if (part.type === "tool-call" || part.type === "tool-result") return new ToolView();
  return role === "user" ? new PlainView() : new Prose();
}

/** What a person wrote stays as written. */
class PlainView {
  #text = document.createTextNode("");
  element = element("p", "plain", this.#text);

  /** @param {{ text: string }} part */
  update({ text }) {
    growText(this.#text, text);
  }
}

class ReasoningView {
  #summary = element("summary");
  #text = document.createTextNode("");
  element = element("details", "reasoning", this.#summary, element("p", "", this.#text));

  /**
   * @param {{ text: string }} part
   * @param {boolean} growing
   */
  update({ text }, growing) {
    growText(this.#text, text);
    setText(this.#summary, growing ? "Thinking" : "Thoughts");
    this.element.classList.toggle("growing", growing);
  }
}

class ToolView {
  #summary = element("summary");
  #body = element("code");
  element = element("details", "tool", this.#summary, element("pre", "", this.#body));

  /** @param {Extract<Part, { type: "tool-call" | "tool-result" }>} part */
  update(part) {
    const call = part.type === "tool-call";
    const name = part.toolName ?? "tool";
    setText(
      this.#summary,
      call ? `Calls ${name}` : part.error ? `${name} failed` : `${name} answered`,
    );
    setText(
      this.#body,
      JSON.stringify(call ? part.args : (part.error ?? part.result), null, 2) ?? "",
    );
  }
}

/**
 * How the message stands, in a sentence; "" when there is nothing to say.
 * @param {ChatMessage} message
 */
function noteOf({ role, status, finishReason, error }) {
  if (role === "user") return "";
  if (finishReason === "refusal") return "The model declined to answer this.";
  if (status === "FAILED") return error?.message || "The reply failed, and gave no reason.";
  if (status === "INTERRUPTED")
    return "The server stopped while writing this. What was written is kept.";
  if (status === "CANCELLED") return "Stopped.";
  if (finishReason === "max_tokens") return "Cut short: this is as long as one reply may be.";
  return "";
}

/**
 * Time, model and tokens, in small print. Claude counts the tokens when a reply is whole.
 * @param {ChatMessage} message
 */
function factsOf({ status, model, usage, createdAt }) {
  const { promptTokens: read, completionTokens: written } =
    (status === "COMPLETED" && usage) || {};
  const time = createdAt ? clock.format(createdAt) : "";
  const tokensIn = read === undefined ? "" : `${count.format(read)} tokens in`;
  const tokensOut = written === undefined ? "" : `${count.format(written)} out`;
  return [time, model, tokensIn, tokensOut].filter(Boolean).join(" · ");
}

/**
 * @param {HTMLElement} holder
 * @param {string} text
 */
function setText(holder, text) {
  if (holder.textContent !== text) holder.textContent = text;
}
