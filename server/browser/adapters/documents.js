// @ts-check
/** The documents that the adapters read, as the server sends them. Times are milliseconds. */

/** @typedef {"PENDING" | "STREAMING" | "COMPLETED" | "CANCELLED" | "FAILED" | "INTERRUPTED"} Status */

/**
 * `seam` is true on the first part of a reply that was cut and went on.
 * @typedef {object} TextPart
 * @property {"text"} type
 * @property {string} text
 * @property {unknown[] | null} [citations]
 * @property {boolean | null} [seam]
 */

/**
 * @typedef {object} ReasoningPart
 * @property {"reasoning"} type
 * @property {string} text
 * @property {boolean | null} [seam]
 */

/**
 * `args` is there when `argsText` is complete.
 * @typedef {object} ToolCallPart
 * @property {"tool-call"} type
 * @property {string} toolCallId
 * @property {string} toolName
 * @property {string} argsText
 * @property {Record<string, unknown> | null} [args]
 * @property {boolean | null} [seam]
 */

/**
 * @typedef {object} ToolResultPart
 * @property {"tool-result"} type
 * @property {string} toolCallId
 * @property {unknown} [result]
 * @property {boolean} [isError]
 * @property {boolean | null} [seam]
 */

/** @typedef {TextPart | ReasoningPart | ToolCallPart | ToolResultPart} Part */

/**
 * The cached tokens are part of the prompt's, the thinking is part of the completion's.
 * @typedef {object} Usage
 * @property {number} promptTokens
 * @property {number} completionTokens
 * @property {number} totalTokens
 * @property {number} [cacheReadTokens]
 * @property {number} [cacheWriteTokens]
 * @property {number} [thinkingTokens]
 * @property {boolean} [final]
 */

/**
 * @typedef {object} ChatMessage
 * @property {string} _id
 * @property {string} taskId
 * @property {"user" | "assistant" | "system"} role
 * @property {Status} status
 * @property {Part[]} parts
 * @property {string | null} [askedBy] Of a reply, the message that it answers.
 * @property {string | null} [model]
 * @property {Usage | null} [usage]
 * @property {string | null} [finishReason]
 * @property {{ code: string, message: string } | null} [error]
 * @property {{ attempt: number, code: string, at: number } | null} [retrying]
 * @property {number} createdAt
 */

/**
 * A call of a tool, and what became of it.
 * @typedef {object} ToolCall
 * @property {string} toolCallId
 * @property {"required" | "approved" | "denied" | null} [approval]
 * @property {{ code: string, message: string } | null} [error]
 */

/**
 * A message, and what became of the tools that it called.
 * @typedef {object} Reply
 * @property {ChatMessage} message
 * @property {readonly ToolCall[]} calls
 */

/** @param {ChatMessage} message */
export function isRunning({ status }) {
  return status === "PENDING" || status === "STREAMING";
}

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
