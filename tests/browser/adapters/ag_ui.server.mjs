// AG-UI's own agent on a real server. What Claude says is scripted in test_adapters.py.

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { AbstractAgent } from "@ag-ui/client";
import { createClient } from "headwater";
import { createAgentClass, toAgUiMessages } from "headwater/ag-ui";
import { Observable } from "rxjs";
import { plain } from "./histories.mjs";

const client = createClient({ url: process.env.HEADWATER_URL });
const HeadwaterAgent = createAgentClass({ AbstractAgent, Observable });
after(() => client.close());

const counted = Array.from({ length: 40 }, (_, number) => `word${number} `);
const half = counted.slice(0, 20).join("");

const history = (taskId) => client.query("messages.byTask", { taskId });
const textOf = ({ messages }) => messages.filter(isText).map(({ content }) => content).join("");
const isText = ({ role, content }) => role === "assistant" && content;

/** An agent of a new task, or of one that is there, and what it was told. */
async function openAgent({ threadId, ...options } = {}) {
  threadId ??= (await client.mutation("tasks.create", { title: "T" }))._id;
  const agent = new HeadwaterAgent({ threadId, options: { client, ...options } });
  const events = [];
  let seen = () => {};
  agent.subscribe({ onEvent: ({ event }) => void events.push(event) });
  agent.subscribe({ onMessagesChanged: () => seen() });
  const until = async (isSo) => {
    while (!isSo()) await new Promise((resolve) => (seen = resolve));
  };
  let count = 0;
  const ask = (content) => {
    agent.addMessage({ id: `asked-${(count += 1)}`, role: "user", content });
    return agent.runAgent();
  };
  return { agent, ask, events, threadId, until };
}

/** Without people's, and without reasoning that was emptied because AG-UI cannot take it away. */
const replies = (messages) =>
  plain(messages).filter(
    ({ role, content }) => role !== "user" && (role !== "reasoning" || content),
  );

/** What the agent holds of replies is what their documents say. */
async function expectDocuments({ agent, threadId }) {
  const documents = toAgUiMessages(await history(threadId));
  assert.deepEqual(replies(agent.messages), replies(documents));
}

test("a run streams, and ends as its document", async () => {
  const opened = await openAgent();
  await opened.ask("Count.");
  assert.equal(textOf(opened.agent), counted.join(""));
  const deltas = opened.events.filter(({ type }) => type === "TEXT_MESSAGE_CONTENT");
  assert.ok(deltas.length > 3);
  assert.equal(opened.events.at(-1).outcome.type, "success");
  await expectDocuments(opened);
});

test("whoever looks away stops nothing; another finds the reply, and stops it for both", async () => {
  const one = await openAgent();
  const running = one.ask("Count.");
  await one.until(() => textOf(one.agent) === half);
  await one.agent.detachActiveRun();
  await running;
  assert.equal((await history(one.threadId)).at(-1).status, "STREAMING");

  const two = await openAgent({ threadId: one.threadId });
  const connected = [one, two].map(({ agent }) => agent.connectAgent());
  for (const { agent, events, until } of [one, two]) {
    const isTold = ({ type }) => type === "TEXT_MESSAGE_CONTENT";
    await until(() => events.findLast(isTold) && textOf(agent) === half);
  }
  two.agent.abortRun();
  await Promise.all(connected);
  for (const opened of [one, two]) {
    assert.equal(opened.events.at(-1).outcome.type, "cancelled");
    assert.deepEqual(plain(opened.agent.messages)[0].content, "Count.");
    await expectDocuments(opened);
  }

  await one.agent.runAgent();
  assert.equal(textOf(one.agent), `${half}And more.`);
  assert.deepEqual(one.agent.messages.at(-1).metadata, { headwater: { seam: true } });
  await expectDocuments(one);
  await two.agent.connectAgent();
  await expectDocuments(two);

  await one.agent.runAgent();
  const { type, code, message } = one.events.at(-1);
  assert.deepEqual([type, code, message], ["RUN_ERROR", "conflict", "This reply is complete."]);
});

test("tools are offered, run and told, in several steps", async () => {
  const opened = await openAgent({ tools: [{ name: "calculate" }] });
  await opened.ask("What is two and three?");
  const [, call, result, text] = opened.agent.messages;
  assert.equal(call.toolCalls[0].function.name, "calculate");
  assert.equal(result.content, "5");
  assert.equal(text.content, "It is five.");
  await expectDocuments(opened);
});

test("a refusal takes back what was shown, and what was said before stays", async () => {
  const opened = await openAgent();
  await opened.ask("Say one.");
  const running = opened.ask("Refuse.");
  await opened.until(() => opened.events.some(({ delta }) => delta?.startsWith("I would")));
  await client.mutation("tasks.create", { title: "Seen." }); // and so it goes on
  await running;
  assert.deepEqual(
    opened.agent.messages.map(({ content }) => content),
    ["Say one.", "One.", "Refuse."],
  );
  assert.equal(opened.events.at(-1).code, "refusal");
});

test("what cannot be done here says what can", async () => {
  const { agent, ask, events, threadId } = await openAgent();
  await agent.runAgent({ tools: [{ name: "x", description: "", parameters: {} }] });
  assert.match(events.at(-1).message, /executor, which follows toolCallTracking.pending/);
  await agent.runAgent();
  assert.match(events.at(-1).message, /nothing to answer/);
  await ask([{ type: "image", source: { type: "url", value: "https://a.example/b.png" } }]);
  assert.match(events.at(-1).message, /Prompts are text/);
  assert.deepEqual(await history(threadId), []);
  await (await openAgent({ threadId: "none" })).agent.connectAgent();
});

test("a clone asks the same server", async () => {
  const { agent } = await openAgent();
  const clone = agent.clone();
  clone.addMessage({ id: "a", role: "user", content: "Hello." });
  await clone.runAgent();
  assert.equal(textOf(clone), "Hello.");
});
