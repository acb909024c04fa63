import assert from "node:assert/strict";
import { test } from "node:test";
import { act } from "react";
import {
  useChatStreaming,
  useConvexChatStreaming,
  useStreamingMessage,
  useStreamingToolCalls,
  useTaskMonitor,
} from "headwater/react";
import { createLog, Refusal, setUp } from "./stage.jsx";

function setUpChat({ strict = true } = {}) {
  const messages = {};
  const answers = [];
  const stage = setUp(
    (name, { messageId }) => (name === "messages.get" ? (messages[messageId] ?? null) : []),
    () => new Promise((resolve) => answers.push(resolve)),
  );
  const log = createLog();
  const Chat = () => log.push(useChatStreaming());
  return {
    ...log,
    messages,
    stage,
    Chat,
    open: () => stage.render(<Chat />, { strict }),
    answer: (value) => act(async () => answers.shift()(value)),
    say: (id, status, updatedAt = 1) =>
      (messages[id] = { _id: id, status, updatedAt, parts: [{ text: String(Math.random()) }] }),
    state: () => [log.last().isStreaming, log.last().currentMessageId],
  };
}

const inside = (call) => act(async () => void call());

test("a reply streams from the call until its message says that it has ended", async () => {
  const { answer, last, messages, open, say, stage, state } = setUpChat();
  await open();
  assert.deepEqual(state(), [false, null]);
  let begun;
  await inside(async () => {
    begun = await last().startStream({
      taskId: "t",
      prompt: "Hello",
      model: "m",
      llmModel: "claude",
      apiKeys: { anthropic: "k", openai: "never" },
      clientMessageId: "c1",
    });
  });
  assert.deepEqual(state(), [true, null]);
  const [{ name, args, key }] = stage.calls;
  assert.deepEqual([name, args.model, args.apiKeys, key], [
    "streaming.streamChat", "claude", { anthropic: "k" }, "c1",
  ]);
  await answer({ messageId: "r1", userMessageId: "p1" });
  assert.deepEqual(begun, { messageId: "r1", userMessageId: "p1" });
  assert.deepEqual(state(), [true, "r1"]);
  await stage.tick();
  assert.deepEqual(state(), [true, "r1"], "its message has not come to this page yet");
  say("r1", "PENDING");
  await stage.tick();
  say("r1", "STREAMING", 2);
  await stage.tick();
  assert.deepEqual(state(), [true, "r1"]);
  say("r1", "COMPLETED", 3);
  await stage.tick();
  assert.deepEqual(state(), [false, "r1"]);
  delete messages.r1;
  await stage.tick();
  assert.deepEqual(state(), [false, "r1"], "what was seen and is gone does not stream");
});

test("text that comes renders nothing here", async () => {
  const { answer, last, open, say, seen, stage } = setUpChat({ strict: false });
  await open();
  await inside(() => last().startStream({ taskId: "t", prompt: "x" }));
  await answer({ messageId: "r1" });
  say("r1", "STREAMING");
  await stage.tick();
  const renders = seen.length;
  for (let delta = 0; delta < 5; delta += 1) {
    say("r1", "STREAMING");
    await stage.tick();
  }
  assert.equal(seen.length, renders);
});

test("a call that fails is told to its caller, and nothing streams", async () => {
  const { answer, last, open, state } = setUpChat();
  await open();
  let failed;
  await inside(async () => {
    failed = await last()
      .startStream({ taskId: "t", prompt: "" })
      .catch((error) => error.code);
  });
  await answer(new Refusal("invalid_arguments"));
  assert.equal(failed, "invalid_arguments");
  assert.deepEqual(state(), [false, null]);
  assert.equal(await last().cancelStream(), undefined, "there is nothing to cancel");
});

test("tools are offered where there are some", async () => {
  const { answer, last, open, stage } = setUpChat();
  await open();
  const tools = [{ name: "look_up" }];
  await inside(() => last().startStreamWithTools({ taskId: "t", prompt: "x", tools }));
  await answer({ messageId: "r1" });
  assert.equal(stage.calls[0].name, "streaming.streamChatWithTools");
  assert.deepEqual(stage.calls[0].args.tools, tools);
});

test("cancelling waits for a reply that is just being begun", async () => {
  const { answer, last, open, stage } = setUpChat();
  await open();
  await inside(() => last().startStream({ taskId: "t", prompt: "x" }));
  await inside(() => last().cancelStream());
  assert.equal(stage.calls.length, 1);
  await answer({ messageId: "r1" });
  assert.deepEqual([stage.calls[1].name, stage.calls[1].args], [
    "streaming.cancelStream", { messageId: "r1" },
  ]);
  await answer({ cancelled: true });
});

test("a reply that is resumed streams again, before its message says so", async () => {
  const { answer, last, open, say, stage, state } = setUpChat();
  await open();
  await inside(() => last().startStream({ taskId: "t", prompt: "x" }));
  await answer({ messageId: "r1" });
  say("r1", "INTERRUPTED");
  await stage.tick();
  assert.deepEqual(state(), [false, "r1"]);
  await inside(() => last().resumeStream());
  assert.deepEqual(stage.calls[1].args, { messageId: "r1" });
  await answer({ messageId: "r1" });
  assert.deepEqual(state(), [true, "r1"], "the page still has the message as it was");
  say("r1", "STREAMING", 2);
  await stage.tick();
  say("r1", "INTERRUPTED", 3);
  await stage.tick();
  assert.deepEqual(state(), [false, "r1"]);
});

test("a reply that was resumed and ended between two frames does not stream for ever", async () => {
  const { answer, last, open, say, stage, state } = setUpChat();
  await open();
  await inside(() => last().startStream({ taskId: "t", prompt: "x" }));
  await answer({ messageId: "r1" });
  say("r1", "INTERRUPTED");
  await stage.tick();
  await inside(() => last().resumeStream({ fromMessageId: "r1", prompt: "as the old one took" }));
  await answer({ messageId: "r1" });
  say("r1", "INTERRUPTED", 2);
  await stage.tick();
  assert.deepEqual(state(), [false, "r1"]);
});

test("another reply may be resumed, and is the current one", async () => {
  const { answer, last, open, say, stage, state } = setUpChat();
  await open();
  say("r9", "STREAMING");
  await inside(() => last().resumeStream({ messageId: "r9", apiKeys: { anthropic: "k" } }));
  assert.deepEqual(stage.calls[0].args, { messageId: "r9", apiKeys: { anthropic: "k" } });
  await answer({ messageId: "r9" });
  await stage.tick();
  assert.deepEqual(state(), [true, "r9"]);
});

test("its functions are the same in every render", async () => {
  const { answer, last, open, seen } = setUpChat();
  await open();
  const { isStreaming, currentMessageId, ...before } = last();
  await inside(() => last().startStream({ taskId: "t", prompt: "x" }));
  await answer({ messageId: "r1" });
  assert.ok(seen.length > 3);
  for (const [name, value] of Object.entries(before)) assert.equal(last()[name], value, name);
  assert.equal(useConvexChatStreaming, useChatStreaming);
});

test("a message, its calls and a task's workspace are their values", async () => {
  const stage = setUp((name) => (name.endsWith("get") ? { name } : [name]));
  const log = createLog();
  const Watch = ({ id }) =>
    log.push([useStreamingMessage(id), useStreamingToolCalls(id), useTaskMonitor(id)]);
  const shown = await stage.render(<Watch />);
  const nothing = { task: undefined, workspace: undefined, fileChanges: [], toolLogs: [], terminal: [] };
  assert.deepEqual(log.last(), [undefined, [], nothing]);
  await shown.render(<Watch id="x" />);
  await stage.tick();
  assert.deepEqual(log.last(), [
    { name: "messages.get" },
    ["toolCallTracking.byMessage"],
    {
      task: { name: "tasks.get" },
      workspace: ["tasks.getWorkspaceStatus"],
      fileChanges: ["fileChanges.byTask"],
      toolLogs: ["toolLogs.byTask"],
      terminal: ["terminalOutput.byTask"],
    },
  ]);
});
