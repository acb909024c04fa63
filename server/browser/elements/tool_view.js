// @ts-check
/** A call of a tool: its name, how it stands, its arguments, what came of it. */

import { awaitsApproval } from "../client/documents.js";
import { element, setText } from "./dom.js";
import { FoldedValue } from "./folded_value.js";
import { callState } from "./message_words.js";
import { Approval, PersonAnswer } from "./tool_forms.js";

/** @import { ToolActions } from "./tool_forms.js" */
/** @import { ToolCall, ToolCallPart, ToolResultPart } from "../client/documents.js" */

/**
 * @typedef {object} ShownCall
 * @property {ToolCallPart} part
 * @property {ToolResultPart | undefined} result
 * @property {ToolCall | undefined} call
 * @property {boolean} replyRuns
 */

/** A tool that the page itself answers, by asking its reader. */
const askPerson = "ask_person";

export class ToolView {
  #name = element("code", "tool-name");
  #state = element("span", "tool-state");
  #arguments = new FoldedValue("Arguments");
  #result = new FoldedValue("Result");
  #error = element("p", "tool-error");
  #forms = element("div", "tool-forms");
  element = element("div", "tool");
  #actions;
  /** @type {Approval | PersonAnswer | null} */
  #form = null;

  /** @param {ToolActions} actions */
  constructor(actions) {
    this.#actions = actions;
    this.element.tabIndex = -1;
    this.element.role = "group";
    this.element.append(
      element("p", "tool-head", this.#name, this.#state),
      this.#arguments.element,
      this.#result.element,
      this.#error,
      this.#forms,
    );
  }

  /** @param {ShownCall} shown */
  update({ part, result, call, replyRuns }) {
    const error = errorOf(call, result);
    const hasEnded = Boolean(result) || call?.status === "COMPLETED" || call?.status === "FAILED";
    const isAsked = call !== undefined && formOf(call, part.toolName) === PersonAnswer;
    const isJudged = call !== undefined && awaitsApproval(call);
    setText(this.#name, part.toolName);
    setText(this.#state, isAsked ? "Waiting for your answer" : stateOf(call, result, replyRuns));
    this.element.dataset.state = call?.status ?? (result ? "COMPLETED" : "");
    this.element.classList.toggle("growing", replyRuns && !hasEnded);
    this.element.setAttribute("aria-label", `Call of ${part.toolName}`);
    const open = isJudged || (replyRuns && !hasEnded && !isAsked);
    this.#arguments.update(part.args ? pretty(part.args) : part.argsText, open);
    const value = error ? undefined : (result?.result ?? call?.result);
    this.#result.update(value === undefined ? "" : pretty(value), false);
    setText(this.#error, error);
    this.#error.hidden = error === "";
    this.#updateForm(part, call);
  }

  /**
   * @param {ToolCallPart} part
   * @param {ToolCall | undefined} call
   */
  #updateForm({ toolName, args }, call) {
    const Form = call && formOf(call, toolName);
    if (this.#form && Form && this.#form instanceof Form) return;
    if (!this.#form && !Form) return;
    const hadFocus = this.#forms.contains(document.activeElement);
    this.#form = Form && call ? new Form(call.toolCallId, this.#actions, args ?? {}) : null;
    this.#forms.replaceChildren(...(this.#form ? [this.#form.element] : []));
    if (hadFocus) this.element.focus();
  }
}

/**
 * @param {ToolCall} call
 * @param {string} toolName
 */
function formOf(call, toolName) {
  if (awaitsApproval(call)) return Approval;
  const isAsked = toolName === askPerson && call.runsOn !== "server" && call.status === "PENDING";
  return isAsked ? PersonAnswer : undefined;
}

/**
 * @param {ToolCall | undefined} call
 * @param {ToolResultPart | undefined} result
 * @param {boolean} replyRuns
 */
function stateOf(call, result, replyRuns) {
  if (!call && result) return result.isError ? "Failed" : "Done";
  return callState(call, replyRuns);
}

/**
 * @param {ToolCall | undefined} call
 * @param {ToolResultPart | undefined} result
 */
function errorOf(call, result) {
  if (call?.status === "FAILED") {
    if (!call.error) return "It failed.";
    return call.approval === "denied" ? call.error.message : `${call.error.code}: ${call.error.message}`;
  }
  return result?.isError ? pretty(result.result) : "";
}

/** @param {unknown} value */
function pretty(value) {
  return typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
}
