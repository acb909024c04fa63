// @ts-check
/** A reply, as the adapters read it. */

/** @import { ChatMessage, ToolCall, ToolResultPart } from "../client/documents.js" */

/**
 * A message, and what became of the tools that it called.
 * @typedef {object} Reply
 * @property {ChatMessage} message
 * @property {readonly ToolCall[]} calls
 */

/**
 * The words of a message, without its reasoning.
 * @param {ChatMessage} message
 */
export function textOf({ parts }) {
  return parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

/**
 * Why a reply ended without being complete, for its reader.
 * @param {ChatMessage} message
 */
export function failureOf({ status, error }) {
  if (status === "INTERRUPTED") {
    return {
      code: "interrupted",
      message: "The server stopped while writing this. What was written is kept, and can go on.",
    };
  }
  return error ?? { code: "internal", message: "The reply failed, and gave no reason." };
}

/**
 * What a tool answered, as text.
 * @param {ToolResultPart} part
 */
export function resultText({ result }) {
  return typeof result === "string" ? result : JSON.stringify(result ?? null);
}
