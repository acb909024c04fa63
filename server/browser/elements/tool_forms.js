// @ts-check
/** What a person can do for a call of a tool: allow it, refuse it, answer it. */

import { actionButton, element } from "./dom.js";

/**
 * Each tells the reader when it fails.
 * @typedef {object} ToolActions
 * @property {(toolCallId: string) => Promise<void>} approve
 * @property {(toolCallId: string, reason: string) => Promise<void>} deny
 * @property {(toolCallId: string, answer: string) => Promise<void>} answer
 */

/** Approve and Deny; who denies may say why. */
export class Approval {
  #reason = field("Why not? (optional)", 2_000);
  #choice;
  #refusal;
  element;

  /**
   * @param {string} toolCallId
   * @param {ToolActions} actions
   */
  constructor(toolCallId, actions) {
    const approve = actionButton("Approve", "primary", () => actions.approve(toolCallId));
    const deny = element("button", "", "Deny");
    deny.type = "button";
    deny.addEventListener("click", () => this.#ask(true));
    const back = element("button", "", "Back");
    back.type = "button";
    back.addEventListener("click", () => this.#ask(false));
    this.#choice = element("div", "choice", approve, deny);
    this.#refusal = answerForm(this.#reason, "Deny", (reason) => actions.deny(toolCallId, reason));
    this.#refusal.append(back);
    this.#refusal.hidden = true;
    this.#refusal.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation();
      this.#ask(false);
    });
    this.element = element("div", "", this.#choice, this.#refusal);
  }

  /** @param {boolean} why */
  #ask(why) {
    this.#choice.hidden = why;
    this.#refusal.hidden = !why;
    if (why) this.#reason.focus();
    else this.#choice.querySelector("button")?.focus();
  }
}

/** A question that Claude has for the reader. */
export class PersonAnswer {
  element;

  /**
   * @param {string} toolCallId
   * @param {ToolActions} actions
   * @param {Record<string, unknown>} args
   */
  constructor(toolCallId, actions, args) {
    const answer = field("Your answer", 20_000);
    answer.required = true;
    this.element = element(
      "div",
      "",
      element("p", "question", String(args.question ?? "Claude has a question for you.")),
      answerForm(answer, "Answer", (text) => actions.answer(toolCallId, text)),
    );
  }
}

/**
 * @param {string} label
 * @param {number} lengthMax
 */
function field(label, lengthMax) {
  const input = element("input");
  input.placeholder = label;
  input.maxLength = lengthMax;
  input.autocomplete = "off";
  input.setAttribute("aria-label", label);
  return input;
}

/**
 * @param {HTMLInputElement} input
 * @param {string} label
 * @param {(text: string) => Promise<void>} send
 */
function answerForm(input, label, send) {
  const button = element("button", "primary", label);
  const form = element("form", "answer", input, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    try {
      await send(input.value.trim());
    } finally {
      button.ariaDisabled = null;
    }
  });
  return form;
}
