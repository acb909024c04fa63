// AG-UI events, judged by AG-UI's own schemas, verifier and reducer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { AbstractAgent } from "@ag-ui/client";
import { EventSchemas, MessageSchema } from "@ag-ui/core/schemas";
import { from } from "rxjs";
import { toAgUiMessages } from "headwater/ag-ui";
import { createAgUiTranslator } from "../../../server/browser/adapters/ag_ui_events.js";
import { replyChanges } from "../../../server/browser/adapters/reply_changes.js";
import { createHistory, createRandom, cut, plain, randomHistory } from "./histories.mjs";

const asked = { id: "6b07", role: "user", content: "Hello" };

/** The events of a run that tells these values. */
function told(values, run) {
  const translate = createAgUiTranslator({ ...run, messages: [asked] });
  const events = values.map((value, index) =>
    replyChanges(values[index - 1], value).flatMap((change) => translate(change, value)),
  );
  const { threadId, runId } = run;
  return [{ type: "RUN_STARTED", threadId, runId }, ...events.flat()];
}

/** What an agent of AG-UI ends with, that is told these values. */
async function fold(values) {
  const failures = [];
  const finished = [];
  class Told extends AbstractAgent {
    run({ threadId, runId }) {
      const events = told(values, { threadId, runId });
      for (const event of events) EventSchemas.parse(event);
      return from(events);
    }
  }
  const agent = new Told({ initialMessages: [asked] });
  await agent.runAgent(
    {},
    {
      onRunErrorEvent: ({ event }) => void failures.push(event),
      onRunFinishedEvent: ({ event }) => void finished.push(event),
    },
  );
  return { messages: agent.messages, failures, finished };
}

const seeds = Array.from({ length: 80 }, (_, index) => index + 1);

test("AG-UI's reducer ends with the document, wherever its values were cut", async () => {
  for (const seed of seeds) {
    const random = createRandom(seed);
    const values = randomHistory(random);
    const last = values.at(-1).message;
    const expected = [asked, ...toAgUiMessages([last])];
    for (const message of expected) MessageSchema.parse(plain(message));
    for (const share of [1, 0.2, 0]) {
      const { messages, failures, finished } = await fold(cut(values, random, share));
      const context = `seed ${seed}, ${share} of the values`;
      const isFailed = last.status === "FAILED" || last.status === "INTERRUPTED";
      assert.equal(failures.length, isFailed ? 1 : 0, context);
      assert.equal(finished.length, isFailed ? 0 : 1, context);
      // Reasoning that was taken back is emptied; AG-UI cannot take it away.
      const isRefused = last.finishReason === "refusal";
      const kept = messages.filter(({ role, content }) => role !== "reasoning" || content);
      assert.deepEqual(plain(isRefused ? kept : messages), plain(expected), context);
    }
  }
});

test("a run says what it took and how it ended", async () => {
  const { set, values } = createHistory();
  set({ status: "STREAMING" });
  const usage = {
    promptTokens: 9,
    completionTokens: 5,
    totalTokens: 14,
    cacheReadTokens: 2,
    cacheWriteTokens: 3,
    thinkingTokens: 4,
    final: true,
  };
  set({ status: "COMPLETED", finishReason: "end_turn", usage });
  const [{ outcome, metadata, usage: taken }] = (await fold(values)).finished;
  assert.deepEqual(outcome, { type: "success" });
  const { messageId, status, finishReason } = metadata.headwater;
  assert.deepEqual([messageId, status, finishReason], ["6b08", "COMPLETED", "end_turn"]);
  assert.deepEqual(taken, [
    {
      provider: "anthropic",
      model: "claude-sonnet-5-5",
      inputTokens: 9,
      outputTokens: 5,
      totalTokens: 14,
      reasoningTokens: 4,
      cachedInputTokens: 2,
      cacheWriteInputTokens: 3,
    },
  ]);
  values.length = 2;
  set({ status: "CANCELLED" });
  assert.deepEqual((await fold(values)).finished[0].outcome, { type: "cancelled" });
  values.length = 2;
  set({ status: "INTERRUPTED" });
  assert.equal((await fold(values)).failures[0].code, "interrupted");
});

test("a call that waits for leave is told as an event of ours", () => {
  const { add, call, set, values } = createHistory();
  set({ status: "STREAMING" });
  add({ type: "tool-call", toolCallId: "c", toolName: "run", argsText: "", args: {} });
  call("c", { approval: "required" });
  call("c", { approval: "denied", error: { code: "denied", message: "No." } });
  const events = told(values, { threadId: "t", runId: "r" });
  assert.deepEqual(events.slice(1), [
    { type: "TOOL_CALL_START", toolCallId: "c", toolCallName: "run", parentMessageId: "6b08-0" },
    { type: "TOOL_CALL_ARGS", toolCallId: "c", delta: "{}" },
    { type: "TOOL_CALL_END", toolCallId: "c" },
    {
      type: "CUSTOM",
      name: "headwater.approval",
      value: { toolCallId: "c", toolName: "run", approval: "required" },
    },
    {
      type: "CUSTOM",
      name: "headwater.approval",
      value: { toolCallId: "c", toolName: "run", approval: "denied", reason: "No." },
    },
  ]);
});

test("what somebody else rewrote in the document is told anew", async () => {
  const { add, set, values } = createHistory();
  set({ status: "STREAMING" });
  add({ type: "text", text: "One" });
  set({ parts: [{ type: "text", text: "Other" }] });
  set({ status: "COMPLETED", finishReason: "end_turn" });
  const { messages, finished } = await fold(values);
  assert.equal(finished.length, 1);
  assert.deepEqual(messages.map(({ content }) => content), ["Hello", "Other"]);
});

test("a call belongs to the text before it, but not to one from before the last answer", async () => {
  const { add, set, values } = createHistory();
  const called = (toolCallId) =>
    add({ type: "tool-call", toolCallId, toolName: "run", argsText: "{}", args: {} });
  const answered = (toolCallId) => add({ type: "tool-result", toolCallId, result: 1 });
  set({ status: "STREAMING" });
  add({ type: "text", text: "First." });
  called("a");
  called("b");
  answered("b");
  answered("a");
  called("c");
  called("d");
  answered("c");
  const { messages } = await fold(values);
  const shown = messages.map(({ id, toolCalls, toolCallId }) => [
    id,
    toolCallId ?? toolCalls?.map((call) => call.id),
  ]);
  assert.deepEqual(shown, [
    ["6b07", undefined],
    ["6b08-0", ["a", "b"]],
    ["6b08-3", "b"],
    ["6b08-4", "a"],
    ["6b08-5", ["c", "d"]],
    ["6b08-7", "c"],
  ]);
});
