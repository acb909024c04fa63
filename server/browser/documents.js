// @ts-check
/** The documents that the page shows, as the server sends them. Times are milliseconds. */

/**
 * @typedef {object} Task
 * @property {string} _id
 * @property {string} title
 */

/** @typedef {"PENDING" | "STREAMING"} RunningStatus */

/** @typedef {RunningStatus | "COMPLETED" | "CANCELLED" | "FAILED" | "INTERRUPTED"} Status */

/**
 * @typedef {{ type: "text" | "reasoning", text: string }
 *   | { type: "tool-call", toolName: string, args?: unknown }
 *   | { type: "tool-result", toolName?: string, result?: unknown, error?: unknown }} Part
 */

/** @typedef {{ promptTokens?: number, completionTokens?: number, totalTokens?: number }} Usage */

/**
 * @typedef {object} ChatMessage
 * @property {string} _id
 * @property {string} taskId
 * @property {"user" | "assistant"} role
 * @property {number} sequence
 * @property {Status} status
 * @property {Part[]} parts
 * @property {string | null} [model]
 * @property {Usage | null} [usage]
 * @property {string | null} [finishReason]
 * @property {{ code: string, message: string } | null} [error]
 * @property {number} createdAt
 */

/** @param {ChatMessage} message */
export function isRunning({ status }) {
  return status === "PENDING" || status === "STREAMING";
}
