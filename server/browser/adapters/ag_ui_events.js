// @ts-check
/** Changes of a reply as AG-UI events of one run. */

import { metadataOf, parentOf, partId, wholeArgs } from "./ag_ui_messages.js";
import { failureOf, resultText } from "./reply.js";

/** @import { Message, TokenUsage } from "@ag-ui/core" */
/** @import { ChatMessage } from "../client/documents.js" */
/** @import { Reply } from "./reply.js" */
/** @import { ReplyChange } from "./reply_changes.js" */

/** @typedef {{ type: string } & Record<string, unknown>} AgUiEvent */

/** @typedef {Extract<ReplyChange, { type: "part-begun" | "part-grown" | "part-ended" | "call-cut" }>} PartChange */

/**
 * What is said between RUN_STARTED and the run's end, and that end.
 * @param {{ threadId: string, runId: string, messages: readonly Message[] }} run `messages`: what the
 *   conversation holds beside the reply, to be told again when Claude declines the reply.
 * @returns {(change: ReplyChange, reply: Reply) => AgUiEvent[]}
 */
export function createAgUiTranslator({ threadId, runId, messages }) {
  /** @type {Map<number, PartChange>} */
  const open = new Map();
  let hasReasoned = false;
  return (change, { message }) => {
    switch (change.type) {
      case "begun":
      case "standing":
      case "call-unanswered":
        return [];
      case "taken-back": {
        const ends = [...open.values()].flatMap(({ part, index }) =>
          partEvents({ type: "part-ended", part, index }, message),
        );
        open.clear();
        return [...ends, snapshot(messages, hasReasoned && message._id)];
      }
      case "approval": {
        const { part, approval, reason } = change;
        const { toolCallId, toolName } = part;
        const value = { toolCallId, toolName, approval, ...(reason && { reason }) };
        return [{ type: "CUSTOM", name: "headwater.approval", value }];
      }
      case "result": {
        const { part, index } = change;
        const answer = { toolCallId: part.toolCallId, role: "tool", content: resultText(part) };
        const messageId = partId(message, index);
        return [{ type: "TOOL_CALL_RESULT", messageId, ...answer, ...metadataOf(part) }];
      }
      case "ended":
        return [runEnd(message, threadId, runId)];
      default:
        if (change.type === "part-begun") open.set(change.index, change);
        else if (change.type !== "part-grown") open.delete(change.index);
        hasReasoned ||= change.part.type === "reasoning";
        return partEvents(change, message);
    }
  };
}

/**
 * @param {PartChange} change
 * @param {ChatMessage} message
 * @returns {AgUiEvent[]}
 */
function partEvents(change, message) {
  const { part, index } = change;
  const messageId = partId(message, index);
  const delta = change.type === "part-grown" ? change.delta : "";
  const isBegun = change.type === "part-begun";
  if (part.type === "text") {
    if (delta) return [{ type: "TEXT_MESSAGE_CONTENT", messageId, delta }];
    if (!isBegun) return [{ type: "TEXT_MESSAGE_END", messageId }];
    return [{ type: "TEXT_MESSAGE_START", messageId, role: "assistant", ...metadataOf(part) }];
  }
  if (part.type === "reasoning") {
    if (delta) return [{ type: "REASONING_MESSAGE_CONTENT", messageId, delta }];
    if (!isBegun) {
      return [
        { type: "REASONING_MESSAGE_END", messageId },
        { type: "REASONING_END", messageId },
      ];
    }
    const start = { messageId, role: "reasoning", ...metadataOf(part) };
    return [
      { type: "REASONING_START", messageId },
      { type: "REASONING_MESSAGE_START", ...start },
    ];
  }
  const { toolCallId, toolName } = part;
  if (delta) return [{ type: "TOOL_CALL_ARGS", toolCallId, delta }];
  if (isBegun) {
    const parentMessageId = parentOf(message, index);
    const call = { toolCallId, toolCallName: toolName, parentMessageId, ...metadataOf(part) };
    return [{ type: "TOOL_CALL_START", ...call }];
  }
  const args = part.argsText ? "" : wholeArgs(part);
  return [
    ...(args ? [{ type: "TOOL_CALL_ARGS", toolCallId, delta: args }] : []),
    { type: "TOOL_CALL_END", toolCallId },
  ];
}

/**
 * @param {ChatMessage} message
 * @param {string} threadId
 * @param {string} runId
 * @returns {AgUiEvent}
 */
function runEnd(message, threadId, runId) {
  const { _id: messageId, status, finishReason } = message;
  const usage = message.usage ? { usage: [usageOf(message.usage, message.model)] } : {};
  if (status !== "COMPLETED" && status !== "CANCELLED") {
    return { type: "RUN_ERROR", ...failureOf(message), ...usage };
  }
  const outcome = { type: status === "COMPLETED" ? "success" : "cancelled" };
  const metadata = { headwater: { messageId, status, finishReason: finishReason ?? null } };
  return { type: "RUN_FINISHED", threadId, runId, outcome, ...usage, metadata };
}

/**
 * @param {NonNullable<ChatMessage["usage"]>} usage
 * @param {string | null | undefined} model
 * @returns {TokenUsage}
 */
function usageOf(usage, model) {
  return {
    provider: "anthropic",
    ...(model && { model }),
    inputTokens: usage.promptTokens,
    outputTokens: usage.completionTokens,
    totalTokens: usage.totalTokens,
    reasoningTokens: usage.thinkingTokens ?? 0,
    cachedInputTokens: usage.cacheReadTokens ?? 0,
    cacheWriteInputTokens: usage.cacheWriteTokens ?? 0,
  };
}

/**
 * The whole conversation, beside one reply. A snapshot takes away what it does not hold, but
 * reasoning only where it holds some: where that must go, it holds an empty one.
 * @param {readonly Message[]} messages
 * @param {string | false} reasoningOf The reply, if some of its reasoning must go.
 * @returns {AgUiEvent}
 */
export function snapshot(messages, reasoningOf = false) {
  const none = { id: `${reasoningOf}-none`, role: "reasoning", content: "" };
  const isLacking = reasoningOf && !messages.some(isReasoning);
  return { type: "MESSAGES_SNAPSHOT", messages: isLacking ? [...messages, none] : messages };
}

/**
 * The messages of a conversation beside those of one reply.
 * @param {readonly Message[]} messages
 * @param {string} messageId
 */
export function withoutReply(messages, messageId) {
  return messages.filter(({ id }) => !id.startsWith(`${messageId}-`));
}

/** @param {Message} message */
const isReasoning = ({ role }) => role === "reasoning";
