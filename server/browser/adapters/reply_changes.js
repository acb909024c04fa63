// @ts-check
/**
 * What happened to a reply between two of its values.
 *
 * Pure, and without a memory: both values say all. A reply's text only extends and its parts are
 * only added, so that folding the changes gives the later value, wherever the values were cut. What
 * does not extend the value before it (a refusal, which takes back what was shown) is told anew.
 * A part that is the same object did not change, and costs nothing.
 */

import { isRunning } from "../client/documents.js";

/** @import { ChatMessage, Part, ReasoningPart, TextPart, ToolCall, ToolCallPart, ToolResultPart } from "../client/documents.js" */
/** @import { Reply } from "./reply.js" */

/**
 * In the order in which they are told:
 *
 * - `begun`: the first value. `standing`: what is said of the message as a whole has changed.
 * - `taken-back`: nothing of what was shown holds; what does is told anew.
 * - `part-begun`, `part-grown` and `part-ended` of text, reasoning and calls of tools, in each
 *   part's order. A call has ended when its arguments are whole; `call-cut`: they will never be.
 * - `approval`: somebody is asked to allow a call, or has answered.
 * - `result`: a tool has answered. `call-unanswered`: the reply has ended, and none has.
 * - `ended`: the reply has. Nothing follows.
 *
 * @typedef {{ type: "begun" | "standing" | "taken-back" | "ended" }
 *   | { type: "part-begun", index: number, part: TextPart | ReasoningPart | ToolCallPart }
 *   | { type: "part-grown", index: number, part: TextPart | ReasoningPart | ToolCallPart, delta: string }
 *   | { type: "part-ended", index: number, part: TextPart | ReasoningPart | ToolCallPart }
 *   | { type: "call-cut", index: number, part: ToolCallPart }
 *   | { type: "call-unanswered", index: number, part: ToolCallPart }
 *   | { type: "approval", part: ToolCallPart, approval: "required" | "approved" | "denied", reason: string | undefined }
 *   | { type: "result", index: number, part: ToolResultPart, isDenied: boolean }} ReplyChange
 */

/** What is said of the message as a whole, and may change while it is written. */
const standing = /** @type {const} */ ([
  "status",
  "model",
  "usage",
  "finishReason",
  "error",
  "retrying",
]);

/** @type {Part[]} */
const noParts = [];

/**
 * @param {Reply | undefined} previous
 * @param {Reply} next
 * @returns {ReplyChange[]}
 */
export function replyChanges(previous, next) {
  /** @type {ReplyChange[]} */
  const changes = [];
  if (previous === undefined) changes.push({ type: "begun" });
  else if (standing.some((name) => previous.message[name] !== next.message[name])) {
    changes.push({ type: "standing" });
  }
  const extended = !previous || extend(previous.message.parts, next.message.parts);
  if (!extended) changes.push({ type: "taken-back" });
  const before = new View(extended ? previous : undefined);
  const after = new View(next);
  next.message.parts.forEach((part, index) => {
    if (part.type === "tool-result") {
      if (before.parts[index] === undefined) {
        const isDenied = after.approvalOf(part.toolCallId) === "denied";
        changes.push({ type: "result", index, part, isDenied });
      }
    } else partChanges(before, after, index, part, changes);
  });
  if (!isRunning(next.message)) changes.push({ type: "ended" });
  return changes;
}

/** A value of a reply, and what follows from it; of none, that there is nothing yet. */
class View {
  /** @param {Reply | undefined} reply */
  constructor(reply) {
    this.parts = reply?.message.parts ?? noParts;
    this.hasEnded = reply !== undefined && !isRunning(reply.message);
    const results = this.parts.filter((part) => part.type === "tool-result");
    this.answered = new Set(results.map(({ toolCallId }) => toolCallId));
    this.calls = new Map(reply?.calls.map((call) => [call.toolCallId, call]));
  }

  /**
   * Whether no more is added to the part.
   * @param {number} index
   */
  isWhole(index) {
    const part = this.parts[index];
    if (part?.type === "tool-call") return part.args != null || this.answered.has(part.toolCallId);
    return part !== undefined && (this.hasEnded || index < this.parts.length - 1);
  }

  /** @param {string} toolCallId */
  approvalOf(toolCallId) {
    return this.calls.get(toolCallId)?.approval ?? undefined;
  }
}

/**
 * @param {View} before
 * @param {View} after
 * @param {number} index
 * @param {TextPart | ReasoningPart | ToolCallPart} part
 * @param {ReplyChange[]} changes
 */
function partChanges(before, after, index, part, changes) {
  const known = before.parts[index];
  if (known === undefined) changes.push({ type: "part-begun", index, part });
  if (known !== part) {
    const delta = growingText(part).slice(known === undefined ? 0 : growingText(known).length);
    if (delta) changes.push({ type: "part-grown", index, part, delta });
  }
  if (after.isWhole(index)) {
    if (!before.isWhole(index)) changes.push({ type: "part-ended", index, part });
  } else if (part.type === "tool-call" && after.hasEnded) {
    changes.push({ type: "call-cut", index, part });
  }
  if (part.type === "tool-call" && after.isWhole(index)) {
    callChanges(before, after, index, part, changes);
  }
}

/**
 * @param {View} before
 * @param {View} after
 * @param {number} index
 * @param {ToolCallPart} part
 * @param {ReplyChange[]} changes
 */
function callChanges(before, after, index, part, changes) {
  const { toolCallId } = part;
  if (before.answered.has(toolCallId)) return;
  const was = before.isWhole(index) ? before.approvalOf(toolCallId) : undefined;
  const approval = after.approvalOf(toolCallId);
  if (approval && approval !== was) {
    const reason = after.calls.get(toolCallId)?.error?.message;
    if (!was && approval !== "required") {
      changes.push({ type: "approval", part, approval: "required", reason: undefined });
    }
    changes.push({ type: "approval", part, approval, reason });
  }
  if (after.hasEnded && !after.answered.has(toolCallId)) {
    changes.push({ type: "call-unanswered", index, part });
  }
}

/**
 * Whether `later` is `earlier`, with more at the end of texts or of the list.
 * @param {Part[]} earlier
 * @param {Part[]} later
 */
function extend(earlier, later) {
  return earlier.every((part, index) => {
    const now = later[index];
    if (now === part) return true;
    if (now?.type !== part.type) return false;
    if (part.type === "text" || part.type === "reasoning") {
      const grows = growingText(now).length > part.text.length;
      // What follows a part was told when it had ended.
      return growingText(now).startsWith(part.text) && !(grows && index < earlier.length - 1);
    }
    const { toolCallId } = /** @type {ToolCallPart | ToolResultPart} */ (now);
    if (toolCallId !== part.toolCallId) return false;
    if (part.type === "tool-result") return true;
    const grows = growingText(now).length > part.argsText.length;
    return growingText(now).startsWith(part.argsText) && !(grows && part.args != null);
  });
}

/** @param {Part} part */
function growingText(part) {
  if (part.type === "tool-call") return part.argsText;
  return part.type === "tool-result" ? "" : part.text;
}
