// @ts-check
/**
 * Message documents as AG-UI messages, as its own reducer would have them from a stream.
 *
 * A reply is several messages there: one for each text and each stretch of reasoning, by the
 * reply's id and the part's place. A call belongs to the text before it, or to a message without text.
 */

import { resultText, textOf } from "./reply.js";

/** @import { Message } from "@ag-ui/core" */
/** @import { ChatMessage, Part } from "../client/documents.js" */

/**
 * @param {readonly ChatMessage[]} messages
 * @returns {Message[]}
 */
export function toAgUiMessages(messages) {
  return messages.flatMap((message) =>
    message.role === "assistant"
      ? ofReply(message)
      : [{ id: message._id, role: message.role, content: textOf(message) }],
  );
}

/** @param {ChatMessage} reply */
function ofReply(reply) {
  /** @type {Map<string, Extract<Message, { role: "assistant" }>>} */
  const carriers = new Map();
  /** @type {Message[]} */
  const messages = [];
  /** @param {Extract<Message, { role: "assistant" }>} message */
  const carry = (message) => {
    carriers.set(message.id, message);
    messages.push(message);
    return message;
  };
  reply.parts.forEach((part, index) => {
    const id = partId(reply, index);
    const told = metadataOf(part);
    switch (part.type) {
      case "text":
        carry({ id, role: "assistant", content: part.text, ...told });
        break;
      case "reasoning":
        messages.push({ id, role: "reasoning", content: part.text, ...told });
        break;
      case "tool-call": {
        const parentId = parentOf(reply, index);
        const parent = carriers.get(parentId) ?? carry({ id: parentId, role: "assistant" });
        const { toolCallId, toolName } = part;
        const called = { name: toolName, arguments: part.argsText || wholeArgs(part) };
        parent.toolCalls ??= [];
        parent.toolCalls.push({ id: toolCallId, type: "function", function: called, ...told });
        break;
      }
      case "tool-result": {
        const { toolCallId } = part;
        const owner = messages.findIndex(
          (one) =>
            one.role === "assistant" && one.toolCalls?.some((call) => call.id === toolCallId),
        );
        let at = owner === -1 ? messages.length : owner + 1;
        while (messages[at]?.role === "tool") at += 1;
        const content = resultText(part);
        messages.splice(at, 0, { id, role: "tool", toolCallId, content, ...told });
      }
    }
  });
  return messages;
}

/**
 * @param {ChatMessage} reply
 * @param {number} index
 */
export const partId = ({ _id }, index) => `${_id}-${index}`;

/**
 * The message that a call belongs to: the last text since a tool answered, else the first call's.
 * @param {ChatMessage} reply
 * @param {number} index
 */
export function parentOf(reply, index) {
  let parent = index;
  for (let at = index - 1; at >= 0; at -= 1) {
    const type = reply.parts[at]?.type;
    if (type === "text") return partId(reply, at);
    if (type === "tool-result") break;
    if (type === "tool-call") parent = at;
  }
  return partId(reply, parent);
}

/**
 * A call that takes nothing may have come without a text of its arguments.
 * @param {Extract<Part, { type: "tool-call" }>} part
 */
export const wholeArgs = ({ args }) => (args == null ? "" : JSON.stringify(args));

/**
 * What a part says that AG-UI has no place for.
 * @param {Part} part
 */
export function metadataOf(part) {
  const told = {
    ...(part.seam && { seam: true }),
    ...(part.type === "tool-result" && part.isError && { isError: true }),
  };
  return Object.keys(told).length > 0 ? { metadata: { headwater: told } } : {};
}
