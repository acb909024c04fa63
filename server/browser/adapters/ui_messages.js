// @ts-check
/** Message documents as the AI SDK's UI messages, as its own reader has them from a stream. */

import { isRunning } from "../client/documents.js";
import { resultText } from "./reply.js";
import { cutText, inputOf, metadataOf, ofHeadwater, unansweredText } from "./ui_message_chunks.js";

/** @import { UIMessage } from "ai" */
/** @import { ChatMessage, Part, ToolCallPart, ToolResultPart } from "../client/documents.js" */
/** @import { ReplyMetadata } from "./ui_message_chunks.js" */

/**
 * The messages of a task, to begin a chat with: what `messages.byTask` gives.
 * @param {readonly ChatMessage[]} messages
 * @returns {UIMessage<ReplyMetadata>[]}
 */
export function toUIMessages(messages) {
  return messages.map((message) => ({
    id: message._id,
    role: message.role,
    metadata: metadataOf(message),
    parts: uiParts(message),
  }));
}

/**
 * @param {ChatMessage} message
 * @returns {UIMessage["parts"]}
 */
function uiParts(message) {
  const { parts } = message;
  /** @type {Map<string, ToolResultPart>} */
  const results = new Map();
  for (const part of parts) if (part.type === "tool-result") results.set(part.toolCallId, part);
  return parts.flatMap((part, index) => {
    if (part.type === "tool-result") return [];
    if (part.type === "tool-call") {
      return [/** @type {any} */ (uiCall(part, results.get(part.toolCallId), isRunning(message)))];
    }
    const isOpen = isRunning(message) && index === parts.length - 1;
    const state = isOpen ? "streaming" : "done";
    const id = part.type === "reasoning" ? { id: String(index) } : {};
    const { type, text } = part;
    return [/** @type {any} */ ({ type, ...id, text, state, ...ofHeadwater(part) })];
  });
}

/**
 * @param {ToolCallPart} part
 * @param {ToolResultPart | undefined} result
 * @param {boolean} runs Whether the reply does.
 */
function uiCall(part, result, runs) {
  const { providerMetadata } = ofHeadwater(part);
  const call = {
    type: `tool-${part.toolName}`,
    toolCallId: part.toolCallId,
    providerExecuted: true,
    ...(providerMetadata && { callProviderMetadata: providerMetadata }),
  };
  const isWhole = part.args != null || result !== undefined;
  if (!isWhole && runs) return { ...call, state: "input-streaming", rawInput: part.argsText };
  const input = inputOf(part);
  if (result && !result.isError) {
    return { ...call, state: "output-available", input, output: result.result ?? null };
  }
  if (!result && runs) return { ...call, state: "input-available", input };
  const errorText = result ? resultText(result) : isWhole ? unansweredText : cutText;
  return { ...call, state: "output-error", input, errorText };
}
