// Chunks of the AI SDK's UI message stream, judged by the SDK's own schema and reader.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readUIMessageStream, safeValidateUIMessages, uiMessageChunkSchema } from "ai";
import { toUIMessages } from "headwater/ai-sdk";
import { replyChanges } from "../../../server/browser/adapters/reply_changes.js";
import { uiMessageChunks } from "../../../server/browser/adapters/ui_message_chunks.js";
import { createHistory, createRandom, cut, plain, randomHistory, streamOf } from "./histories.mjs";

const schema = uiMessageChunkSchema();

/** The chunks of each value, in lists. */
function told(values) {
  return values.map((value, index) =>
    replyChanges(values[index - 1], value).flatMap((change) => uiMessageChunks(change, value)),
  );
}

/** What the SDK's reader ends with, and the error that it was told. */
async function read(chunks) {
  for (const chunk of chunks) {
    const { success, error } = await schema.validate(chunk);
    assert.ok(success, `${JSON.stringify(chunk)}: ${error}`);
  }
  let message;
  const errors = [];
  const onError = (error) => errors.push(error.message);
  for await (const value of readUIMessageStream({ stream: streamOf(chunks), onError })) {
    message = value;
  }
  return { message, errors };
}

/** As the SDK has it, without approvals, of which a message's document does not tell. */
function withoutApprovals(message) {
  const parts = message.parts.map(({ approval, ...part }) =>
    part.state === "output-denied"
      ? { ...part, state: "output-error", errorText: "It failed." }
      : part,
  );
  return { ...message, parts };
}

const seeds = Array.from({ length: 120 }, (_, index) => index + 1);

test("the SDK's reader ends with the document, wherever its values were cut", async () => {
  for (const seed of seeds) {
    const random = createRandom(seed);
    const values = randomHistory(random);
    const last = values.at(-1).message;
    for (const share of [1, 0.4, 0.1, 0]) {
      const seen = cut(values, random, share);
      const { message, errors } = await read(told(seen).flat());
      const context = `seed ${seed}, ${share} of the values`;
      const isFailed = last.status === "FAILED" || last.status === "INTERRUPTED";
      assert.equal(errors.length, isFailed ? 1 : 0, context);
      const [expected] = toUIMessages([last]);
      assert.deepEqual(plain(withoutApprovals(message)), plain(expected), context);
    }
  }
});

test("what is folded so far is what a reader who comes now is told", async () => {
  for (const seed of seeds.slice(0, 60)) {
    const random = createRandom(seed);
    const values = cut(randomHistory(random), random, 0.5);
    const at = random.below(values.length);
    const grown = await read(told(values.slice(0, at + 1)).flat());
    const joined = await read(told([values[at]]).flat());
    assert.deepEqual(plain(grown), plain(joined), `seed ${seed}`);
  }
});

test("UI messages of documents pass the SDK's validation", async () => {
  for (const seed of seeds.slice(0, 60)) {
    const { message } = randomHistory(createRandom(seed)).at(-1);
    const user = { ...message, _id: "u", role: "user", parts: [{ type: "text", text: "Hello" }] };
    const messages = toUIMessages(message.parts.length > 0 ? [user, message] : [user]);
    const { success, error } = await safeValidateUIMessages({ messages });
    assert.ok(success, `seed ${seed}: ${error}`);
  }
});

test("a text grows by what is new of it", () => {
  const { add, change, set, values } = createHistory();
  set({ status: "STREAMING" });
  add({ type: "reasoning", text: "Hm." });
  add({ type: "text", text: "One" });
  change(1, { text: "One, two" });
  set({ status: "COMPLETED", finishReason: "end_turn" });
  const chunks = told(values).slice(1);
  const standing = ({ type }) => type !== "message-metadata";
  assert.deepEqual(chunks.map((list) => list.filter(standing)), [
    [],
    [
      { type: "reasoning-start", id: "0" },
      { type: "reasoning-delta", id: "0", delta: "Hm." },
    ],
    [
      { type: "reasoning-end", id: "0" },
      { type: "text-start", id: "1" },
      { type: "text-delta", id: "1", delta: "One" },
    ],
    [{ type: "text-delta", id: "1", delta: ", two" }],
    [
      { type: "text-end", id: "1" },
      { type: "finish", finishReason: "stop" },
    ],
  ]);
});

test("an unchanged part is not looked at, and an unchanged message says nothing", () => {
  const { add, set, values } = createHistory();
  set({ status: "STREAMING" });
  const part = { type: "text" };
  Object.defineProperty(part, "text", {
    get() {
      throw new Error("looked at");
    },
  });
  add(part);
  set({ updatedAt: 2 });
  assert.deepEqual(replyChanges(values.at(-2), values.at(-1)), []);
});

test("a refusal takes back what was shown, of all steps", async () => {
  const { add, set, values } = createHistory();
  set({ status: "STREAMING" });
  add({ type: "text", text: "Listen: " });
  add({ type: "tool-call", toolCallId: "c", toolName: "look_up", argsText: "{}", args: {} });
  add({ type: "tool-result", toolCallId: "c", result: 1, isError: false });
  add({ type: "text", text: "first, " });
  const error = { code: "refusal", message: "Claude declined to answer this." };
  set({ status: "FAILED", finishReason: "refusal", error, parts: [] });
  const { message, errors } = await read(told(values).flat());
  assert.deepEqual(message.parts, []);
  assert.deepEqual(errors, ["Claude declined to answer this."]);
  assert.equal(message.metadata.finishReason, "refusal");
});

test("a call that waits for leave says so, and what came of it", async () => {
  for (const approval of ["approved", "denied"]) {
    const { add, call, set, values } = createHistory();
    set({ status: "STREAMING" });
    add({ type: "tool-call", toolCallId: "c", toolName: "run", argsText: "{}", args: {} });
    const states = [];
    const state = async () => {
      const { message } = await read(told(values).flat());
      states.push(message.parts[0].state);
      return message.parts[0];
    };
    call("c", { approval: "required" });
    assert.deepEqual(plain((await state()).approval), { id: "c" });
    const isError = approval === "denied";
    call("c", { approval, ...(isError && { error: { code: "denied", message: "No." } }) });
    const { approval: answer } = await state();
    assert.equal(answer.approved, !isError);
    assert.equal(answer.reason, isError ? "No." : undefined);
    add({ type: "tool-result", toolCallId: "c", result: isError ? "No." : 3, isError });
    await state();
    assert.deepEqual(states, [
      "approval-requested",
      "approval-responded",
      isError ? "output-denied" : "output-available",
    ]);
  }
});

test("a call that the reply's end cut, or left unanswered, does not stay open", async () => {
  const { add, set, values } = createHistory();
  set({ status: "STREAMING" });
  add({ type: "tool-call", toolCallId: "a", toolName: "run", argsText: "{}", args: {} });
  add({ type: "tool-call", toolCallId: "b", toolName: "run", argsText: '{"x": ' });
  set({ status: "CANCELLED" });
  const { message } = await read(told(values).flat());
  assert.deepEqual(
    message.parts.map(({ state, errorText }) => [state, errorText]),
    [
      ["output-error", "The reply ended before this call was answered."],
      ["output-error", "The reply ended in the middle of this call."],
    ],
  );
});

test("metadata says how the reply stands, what it took, and why it ended", async () => {
  const { set, values } = createHistory();
  const retrying = { attempt: 1, code: "claude_overloaded", at: 9 };
  set({ status: "PENDING", retrying });
  assert.deepEqual((await read(told(values).flat())).message.metadata.retrying, retrying);
  const usage = { promptTokens: 1, completionTokens: 2, totalTokens: 3, final: true };
  set({ status: "COMPLETED", retrying: null, usage, finishReason: "max_tokens" });
  const chunks = told(values).flat();
  assert.deepEqual((await read(chunks)).message.metadata, {
    status: "COMPLETED",
    model: "claude-sonnet-5-5",
    usage,
    finishReason: "max_tokens",
    retrying: null,
    createdAt: 1,
  });
  assert.deepEqual(chunks.at(-1), { type: "finish", finishReason: "length" });
});

test("a part that follows a cut is marked", async () => {
  const { add, set, values } = createHistory();
  set({ status: "STREAMING" });
  add({ type: "text", text: "One " });
  set({ status: "PENDING" });
  add({ type: "text", text: "two.", seam: true });
  set({ status: "COMPLETED", finishReason: "end_turn" });
  const { message } = await read(told(values).flat());
  assert.deepEqual(message.parts.map(({ providerMetadata }) => providerMetadata), [
    undefined,
    { headwater: { seam: true } },
  ]);
});

test("leave is told when its call is whole, and not of a call that was answered", () => {
  const { add, call, change, set, values } = createHistory();
  set({ status: "STREAMING" });
  add({ type: "tool-call", toolCallId: "c", toolName: "run", argsText: "" });
  call("c", { approval: "required" });
  change(0, { argsText: "{}", args: {} });
  add({ type: "tool-result", toolCallId: "c", result: 3, isError: false });
  call("c", { approval: "approved" });
  const types = told(values).slice(3).map((chunks) => chunks.map(({ type }) => type));
  assert.deepEqual(types, [
    [],
    ["tool-input-delta", "tool-input-available", "tool-approval-request"],
    ["tool-output-available"],
    [],
  ]);
});

test("what somebody else rewrote in the document is told anew", async () => {
  const { add, set, values } = createHistory();
  set({ status: "STREAMING" });
  add({ type: "text", text: "One" });
  add({ type: "text", text: "Two" });
  set({ parts: [{ type: "text", text: "Other" }] });
  set({ status: "FAILED", error: { code: "conflict", message: "Somebody removed parts." } });
  const { message } = await read(told(values).flat());
  assert.deepEqual(plain(message), plain(toUIMessages([values.at(-1).message])[0]));
});

test("a call that is answered without its arguments is shown as it is", async () => {
  const { add, set, values } = createHistory();
  set({ status: "STREAMING" });
  add({ type: "tool-call", toolCallId: "c", toolName: "run", argsText: '{"x": ' });
  add({ type: "tool-result", toolCallId: "c", result: "It was cut.", isError: true });
  const { message } = await read(told(values).flat());
  assert.equal(message.parts[0].errorText, "It was cut.");
  assert.deepEqual(plain(message), plain(toUIMessages([values.at(-1).message])[0]));
});
