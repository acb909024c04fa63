// @ts-check
/**
 * Changes of a reply as chunks of the AI SDK's UI message stream.
 *
 * A reply is one step to the SDK, however often Claude was asked: only so can `reset-step` take
 * back all of a reply that Claude declines in the end. Its tools count as executed by the provider: they
 * are run by the server or by an executor, and their results come by themselves.
 */

import { failureOf, resultText } from "./reply.js";

/** @import { ProviderMetadata, UIMessageChunk } from "ai" */
/** @import { ChatMessage, Part } from "../client/documents.js" */
/** @import { Reply } from "./reply.js" */
/** @import { ReplyChange } from "./reply_changes.js" */

/**
 * What the metadata of a UI message says of its reply.
 * @typedef {object} ReplyMetadata
 * @property {ChatMessage["status"]} status
 * @property {string | null} model
 * @property {ChatMessage["usage"] | null} usage
 * @property {string | null} finishReason As Claude gives it.
 * @property {ChatMessage["retrying"] | null} retrying
 * @property {number} createdAt
 */

export const cutText = "The reply ended in the middle of this call.";
export const unansweredText = "The reply ended before this call was answered.";

/** @type {Record<string, "stop" | "length" | "tool-calls" | "content-filter" | undefined>} */
const finishReasons = {
  end_turn: "stop",
  stop_sequence: "stop",
  max_tokens: "length",
  model_context_window_exceeded: "length",
  max_steps: "tool-calls",
  refusal: "content-filter",
};

/**
 * @param {ReplyChange} change
 * @param {Reply} reply The value that it leads to.
 * @returns {UIMessageChunk<ReplyMetadata>[]}
 */
export function uiMessageChunks(change, { message }) {
  switch (change.type) {
    case "begun":
      return [{ type: "start", messageId: message._id, messageMetadata: metadataOf(message) }];
    case "standing":
      return [{ type: "message-metadata", messageMetadata: metadataOf(message) }];
    case "taken-back":
      return [{ type: "reset-step" }];
    case "approval":
      return approvalChunks(change);
    case "result":
      return resultChunks(change);
    case "call-unanswered":
      return [{ type: "tool-output-error", ...executed(change.part), errorText: unansweredText }];
    case "ended":
      return endChunks(message);
    default:
      return partChunks(change);
  }
}

/**
 * @param {Exclude<ReplyChange, { type: "begun" | "standing" | "taken-back" | "approval" | "result" | "call-unanswered" | "ended" }>} change
 * @returns {UIMessageChunk<ReplyMetadata>[]}
 */
function partChunks(change) {
  const { part, index } = change;
  const id = String(index);
  if (part.type !== "tool-call") {
    switch (change.type) {
      case "part-begun":
        return [{ type: `${part.type}-start`, id, ...ofHeadwater(part) }];
      case "part-grown":
        return [{ type: `${part.type}-delta`, id, delta: change.delta }];
      default:
        return [{ type: `${part.type}-end`, id, ...ofHeadwater(part) }];
    }
  }
  const { toolName } = part;
  const call = executed(part);
  switch (change.type) {
    case "part-begun":
      return [{ type: "tool-input-start", ...call, toolName, ...ofHeadwater(part) }];
    case "part-grown":
      return [
        { type: "tool-input-delta", toolCallId: part.toolCallId, inputTextDelta: change.delta },
      ];
    case "part-ended":
      return [{ type: "tool-input-available", ...call, toolName, input: inputOf(part) }];
    default: {
      const cut = { input: part.argsText, errorText: cutText };
      return [{ type: "tool-input-error", ...call, toolName, ...cut }];
    }
  }
}

/**
 * Approvals go by the call's own id.
 * @param {Extract<ReplyChange, { type: "approval" }>} change
 * @returns {UIMessageChunk<ReplyMetadata>[]}
 */
function approvalChunks({ part: { toolCallId }, approval, reason }) {
  if (approval === "required") {
    return [{ type: "tool-approval-request", approvalId: toolCallId, toolCallId }];
  }
  const approved = approval === "approved";
  const why = !approved && reason ? { reason } : {};
  return [{ type: "tool-approval-response", approvalId: toolCallId, approved, ...why }];
}

/**
 * @param {Extract<ReplyChange, { type: "result" }>} change
 * @returns {UIMessageChunk<ReplyMetadata>[]}
 */
function resultChunks({ part, isDenied }) {
  const call = executed(part);
  if (isDenied) return [{ type: "tool-output-denied", toolCallId: part.toolCallId }];
  if (part.isError) {
    return [{ type: "tool-output-error", ...call, errorText: resultText(part) }];
  }
  return [{ type: "tool-output-available", ...call, output: part.result ?? null }];
}

/**
 * A failure is an error to the SDK: its `regenerate` goes on with the reply.
 * @param {ChatMessage} message
 * @returns {UIMessageChunk<ReplyMetadata>[]}
 */
function endChunks(message) {
  switch (message.status) {
    case "COMPLETED":
      return [
        { type: "finish", finishReason: finishReasons[message.finishReason ?? ""] ?? "other" },
      ];
    case "CANCELLED":
      return [
        { type: "abort", reason: "Stopped." },
        { type: "finish", finishReason: "interrupted" },
      ];
    default:
      return [{ type: "error", errorText: failureOf(message).message }];
  }
}

/**
 * @param {ChatMessage} message
 * @returns {ReplyMetadata}
 */
export function metadataOf({ status, model, usage, finishReason, retrying, createdAt }) {
  return {
    status,
    model: model ?? null,
    usage: usage ?? null,
    finishReason: finishReason ?? null,
    retrying: retrying ?? null,
    createdAt,
  };
}

/**
 * What a part says that the SDK has no place for.
 * @param {Part} part
 * @returns {{ providerMetadata?: ProviderMetadata }}
 */
export function ofHeadwater(part) {
  const citations = part.type === "text" ? part.citations : undefined;
  if (!part.seam && !citations) return {};
  const told = { ...(part.seam && { seam: true }), ...(citations && { citations }) };
  return { providerMetadata: { headwater: /** @type {any} */ (told) } };
}

/** @param {Extract<Part, { type: "tool-call" }>} part */
export const inputOf = (part) => part.args ?? part.argsText;

/** @param {{ toolCallId: string }} part */
const executed = ({ toolCallId }) => ({ toolCallId, providerExecuted: true });
