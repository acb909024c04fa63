// @ts-check
/** What the page says of a reply: how it stands, what it took. */

import { clockTime, duration } from "./clock.js";
import { isRunning } from "../client/documents.js";

/** @import { ChatMessage, ToolCall } from "../client/documents.js" */

const count = new Intl.NumberFormat();

/** A pause beyond this is one that two clocks disagree about. */
const pauseSecondsMax = 120;

/**
 * How the message stands, in a sentence; "" when there is nothing to say.
 * @param {ChatMessage} message
 * @param {boolean} isQueued Whether an earlier reply has its turn.
 * @param {number} nowMs
 */
export function noteOf(message, isQueued, nowMs) {
  const { role, status, finishReason, error, retrying } = message;
  if (role !== "assistant") return "";
  if (isRunning(message)) {
    if (isQueued) return "Waiting for its turn.";
    return retrying ? retryNote(retrying, nowMs) : "";
  }
  if (finishReason === "refusal") return "The model declined to answer this.";
  if (status === "FAILED") return error?.message || "The reply failed, and gave no reason.";
  if (status === "INTERRUPTED")
    return "The server stopped while writing this. What was written is kept.";
  if (status === "CANCELLED") return "Stopped.";
  if (finishReason === "max_tokens") return "Cut short: this is as long as one reply may be.";
  if (finishReason === "max_steps") return "Cut short: one reply may call tools so often.";
  return "";
}

/**
 * @param {{ attempt: number, code: string, at: number }} retrying
 * @param {number} nowMs
 */
function retryNote({ code, at }, nowMs) {
  const seconds = Math.ceil((at - nowMs) / 1000);
  const when = seconds >= 1 && seconds <= pauseSecondsMax ? ` in ${seconds} s` : "";
  return `${retryReasons[code] ?? "Claude could not answer"}; trying again${when}.`;
}

/** @type {Record<string, string>} */
const retryReasons = {
  claude_rate_limited: "Claude is asked too much",
  claude_overloaded: "Claude is overloaded",
  claude_unreachable: "Claude cannot be reached",
};

/**
 * Time, model, tokens and how it ended, in small print.
 * @param {ChatMessage} message
 */
export function factsOf({ model, usage, finishReason, createdAt }) {
  const facts = [clockTime(createdAt), model];
  if (usage && usage.promptTokens + usage.completionTokens > 0) {
    const cached = usage.cacheReadTokens ? ` (${count.format(usage.cacheReadTokens)} cached)` : "";
    const thinking = usage.thinkingTokens
      ? ` (${count.format(usage.thinkingTokens)} thinking)`
      : "";
    facts.push(`${count.format(usage.promptTokens)} tokens in${cached}`);
    facts.push(`${count.format(usage.completionTokens)} out${thinking}`);
    if (usage.final === false) facts.push("not final");
  }
  if (finishReason && finishReason !== "end_turn") facts.push(finishReason.replaceAll("_", " "));
  return facts.filter(Boolean).join(" · ");
}

/**
 * How a call of a tool stands, in a few words.
 * @param {ToolCall | undefined} call Undefined: it has not been stored, its arguments may be growing.
 * @param {boolean} replyRuns
 */
export function callState(call, replyRuns) {
  if (!call) return replyRuns ? "Being written" : "Not run";
  switch (call.status) {
    case "PENDING":
      if (call.approval === "required") return "Waiting for approval";
      if (call.runsOn !== "server") return "Waiting for an executor";
      return replyRuns ? "About to run" : "Waiting for the reply to go on";
    case "RUNNING":
      return call.executor ? `Running on ${call.executor}` : "Running";
    case "COMPLETED":
      return `Done${took(call)}`;
    case "FAILED":
      return call.approval === "denied" ? "Denied" : `Failed${took(call)}`;
  }
}

/** @param {ToolCall} call */
function took({ startedAt, completedAt }) {
  if (startedAt == null || completedAt == null) return "";
  return ` in ${duration(completedAt - startedAt)}`;
}
