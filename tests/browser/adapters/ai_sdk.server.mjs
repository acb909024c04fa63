// The AI SDK's own Chat on a real server. What Claude says is scripted in test_adapters.py.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { Chat } from "@ai-sdk/react";
import { createClient } from "headwater";
import { HeadwaterChatTransport, toUIMessages } from "headwater/ai-sdk";
import { plain } from "./histories.mjs";

const client = createClient({ url: process.env.HEADWATER_URL });
after(() => client.close());

const counted = Array.from({ length: 40 }, (_, number) => `word${number} `);
const half = counted.slice(0, 20).join("");

const history = (taskId) => client.query("messages.byTask", { taskId });
const textOf = ({ parts }) => parts.map((part) => (part.type === "text" ? part.text : "")).join("");

/** A chat of a new task, or of one that is there, as a page has it that was just loaded. */
async function openChat({ id, ...options } = {}) {
  id ??= (await client.mutation("tasks.create", { title: "T" }))._id;
  const transport = new HeadwaterChatTransport({ client, ...options });
  const finished = [];
  const chat = new Chat({
    id,
    transport,
    messages: toUIMessages(await history(id)),
    onFinish: ({ isAbort, isError, finishReason }) =>
      finished.push({ isAbort, isError, finishReason }),
  });
  const lengths = [];
  let seen = () => {};
  chat["~registerMessagesCallback"](() => {
    if (chat.lastMessage?.role === "assistant") lengths.push(textOf(chat.lastMessage).length);
    seen();
  });
  chat["~registerStatusCallback"](() => seen());
  /** Until it is so. */
  const until = async (isSo) => {
    while (!isSo()) await new Promise((resolve) => (seen = resolve));
  };
  return { chat, finished, lengths, taskId: id, transport, until };
}

/**
 * What the chat shows of replies is what their documents say. How much a reply took that was cut
 * may be known only later.
 */
async function expectDocuments({ chat, taskId }) {
  const replies = (messages) =>
    plain(messages)
      .filter(({ role }) => role === "assistant")
      .map(({ metadata: { usage, ...metadata }, ...message }) => ({ ...message, metadata }));
  assert.deepEqual(replies(chat.messages), replies(toUIMessages(await history(taskId))));
}

test("a reply streams, and ends as its document", async () => {
  const opened = await openChat();
  const { chat, finished, lengths } = opened;
  await chat.sendMessage({ text: "Count." });
  assert.equal(chat.status, "ready");
  assert.equal(textOf(chat.lastMessage), counted.join(""));
  assert.ok(new Set(lengths).size > 3, `it grew: ${lengths}`);
  assert.deepEqual(finished, [{ isAbort: false, isError: false, finishReason: "stop" }]);
  assert.equal(chat.lastMessage.metadata.finishReason, "end_turn");
  assert.ok(chat.lastMessage.metadata.usage.completionTokens > 0);
  await expectDocuments(opened);
});

test("whoever looks away stops nothing; another finds the reply, and stops it for both", async () => {
  const one = await openChat();
  const sending = one.chat.sendMessage({ text: "Count." });
  await one.until(() => one.chat.lastMessage && textOf(one.chat.lastMessage) === half);
  await one.chat.stop();
  await sending;
  assert.equal(one.chat.status, "ready");
  assert.equal((await history(one.taskId)).at(-1).status, "STREAMING");

  const two = await openChat({ id: one.taskId });
  assert.equal(textOf(two.chat.lastMessage), half);
  const reading = Promise.all([one.chat.resumeStream(), two.chat.resumeStream()]);
  await two.until(() => two.chat.status === "streaming");
  await one.until(() => one.chat.status === "streaming");
  assert.equal(await two.transport.cancel(one.taskId), true);
  await reading;
  for (const opened of [one, two]) {
    assert.equal(opened.chat.status, "ready");
    assert.equal(opened.chat.messages.length, 2);
    assert.equal(textOf(opened.chat.lastMessage), half);
    assert.equal(opened.chat.lastMessage.metadata.status, "CANCELLED");
    assert.equal(opened.finished.at(-1).finishReason, "interrupted");
    await expectDocuments(opened);
  }
  assert.equal(await two.transport.cancel(one.taskId), false);
  await two.chat.resumeStream();
  assert.equal(two.chat.status, "ready", "nothing is there to be resumed");

  await two.chat.regenerate();
  assert.equal(two.chat.status, "ready");
  assert.equal(textOf(two.chat.lastMessage), `${half}And more.`);
  assert.equal(two.chat.lastMessage.parts.at(-1).providerMetadata.headwater.seam, true);
  await expectDocuments(two);

  await two.chat.regenerate();
  assert.equal(two.chat.status, "error");
  assert.equal(two.chat.error.message, "This reply is complete.");
  assert.equal(textOf(two.chat.lastMessage), `${half}And more.`, "it is shown again");
});

test("a reply is stopped before its first word", async () => {
  const opened = await openChat();
  const sending = opened.chat.sendMessage({ text: "Think." });
  await opened.until(() => opened.chat.status === "submitted");
  assert.equal(await opened.transport.cancel(opened.taskId), true);
  await sending;
  assert.equal(opened.chat.lastMessage.metadata.status, "CANCELLED");
});

test("a reply that failed says why, and goes on", async () => {
  const opened = await openChat();
  const { chat, finished } = opened;
  await chat.sendMessage({ text: "Fail." });
  assert.equal(chat.status, "error");
  assert.match(chat.error.message, /overloaded|too much/i);
  assert.equal(textOf(chat.lastMessage), "One, ");
  assert.equal(finished.at(-1).isError, true);
  await chat.regenerate({ messageId: chat.lastMessage.id });
  assert.equal(chat.status, "ready");
  assert.equal(textOf(chat.lastMessage), "One, two.");
  await expectDocuments(opened);
});

test("a refusal takes back what was shown", async () => {
  const opened = await openChat();
  const sending = opened.chat.sendMessage({ text: "Refuse." });
  await opened.until(() => opened.lengths.some((length) => length > 0));
  await client.mutation("tasks.create", { title: "Seen." }); // and so it goes on
  await sending;
  assert.equal(opened.chat.status, "error");
  assert.deepEqual(opened.chat.lastMessage.parts, []);
  await expectDocuments(opened);
});

test("tools are offered, run and shown, in several steps", async () => {
  const opened = await openChat({ tools: [{ name: "calculate" }] });
  await opened.chat.sendMessage({ text: "What is two and three?" });
  const [call, text] = opened.chat.lastMessage.parts.slice(-2);
  assert.equal(call.type, "tool-calculate");
  assert.equal(call.state, "output-available");
  assert.equal(call.output, 5);
  assert.deepEqual(call.input, { left: 2, operation: "plus", right: 3 });
  assert.equal(text.text, "It is five.");
  await expectDocuments(opened);
});

test("a call waits for leave, and takes it from wherever it is given", async () => {
  const { chat, until } = await openChat({ tools: [{ name: "rename_task" }] });
  const sending = chat.sendMessage({ text: "Find a better title." });
  const call = () => chat.lastMessage?.parts.find(({ type }) => type === "tool-rename_task");
  await until(() => call()?.state === "approval-requested");
  const { toolCallId } = call();
  await client.mutation("toolCallTracking.deny", { toolCallId, reason: "It is good." });
  await sending;
  assert.equal(chat.status, "ready");
  assert.equal(call().state, "output-denied");
  assert.match(call().approval.reason, /It is good/);
  assert.equal(textOf(chat.lastMessage), "A title, then. Then it stays.");
});

test("settings come with the chat or with one prompt, and the server says what it does not take", async () => {
  const { chat } = await openChat({ systemPrompt: "Be brief." });
  await chat.sendMessage({ text: "Hello." }, { body: { model: "claude-haiku-5-5" } });
  assert.equal(chat.error, undefined);
  assert.equal(chat.lastMessage.metadata.model, "claude-haiku-5-5");
  await chat.sendMessage({ text: "Hello." }, { body: { temperatur: 1 } });
  assert.equal(chat.status, "error");
  assert.equal(chat.error.code, "invalid_arguments");
});

test("a prompt that never came there is sent again", async () => {
  const opened = await openChat();
  const { chat } = opened;
  await chat.sendMessage({ text: "Hello." }, { body: { temperatur: 1 } });
  assert.equal(chat.error.code, "invalid_arguments");
  await chat.regenerate();
  assert.equal(chat.status, "ready");
  assert.equal(textOf(chat.lastMessage), "Hello yourself.");
  await expectDocuments(opened);
});

test("what cannot be done here says what can", async () => {
  const { chat, taskId, transport } = await openChat();
  const file = { type: "file", mediaType: "image/png", url: "data:image/png;base64,AA==" };
  await chat.sendMessage({ text: "See.", files: [file] });
  assert.match(chat.error.message, /Prompts are text; this one has a part of the type file/);
  await chat.sendMessage({ text: "Sea.", messageId: chat.messages[0].id });
  assert.match(chat.error.message, /can neither be changed nor sent again/);
  const messages = [{ id: "a", role: "assistant", parts: [] }];
  const trigger = "submit-message";
  await assert.rejects(transport.sendMessages({ trigger, chatId: taskId, messages }), {
    message: /not a person's.*toolCallTracking.approve/,
  });
  assert.deepEqual(await history(taskId), []);
});
