import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import * as headwater from "../../server/browser/client.js";
import { createFetch } from "./fakes.mjs";

const { createClient, defaultClient, setDefaultClient } = headwater;

let asked;

beforeEach(() => {
  const network = createFetch([200, { value: "done", position: "1.1~x" }]);
  asked = network.asked;
  setDefaultClient(createClient({ fetch: network.fetch, EventSource: class {} }));
});
after(() => setDefaultClient(undefined));

/** What a function by its name asks the server for. */
async function asks(name, ...args) {
  assert.equal(await headwater[name](...args), "done");
  assert.equal(asked.length, 1);
  return [asked[0].url, asked[0].body];
}

const oldChat = {
  taskId: "t",
  prompt: "Hello",
  model: "claude-old",
  systemPrompt: "Be brief.",
  llmModel: "claude-sonnet-5-5",
  promptMessageId: "m0",
  clientMessageId: "c1",
  apiKeys: { anthropic: "sk-ours", openai: "sk-theirs", openrouter: "", nvidia: undefined },
};

test("an input of the old kind becomes what the server takes, and no other service's key is sent", async () => {
  assert.deepEqual(await asks("streamChat", oldChat), [
    "/api/action/streaming.streamChat",
    {
      taskId: "t",
      prompt: "Hello",
      systemPrompt: "Be brief.",
      model: "claude-sonnet-5-5",
      apiKeys: { anthropic: "sk-ours" },
    },
  ]);
  assert.equal(asked[0].headers["Idempotency-Key"], "c1");
  assert.ok(!JSON.stringify(asked).includes("sk-theirs"));
});

test("what is not given is not sent, so that the server's own defaults hold", async () => {
  for (const apiKeys of [undefined, {}, { anthropic: "" }, { openai: "sk-theirs" }]) {
    asked.length = 0;
    const [, body] = await asks("streamChat", { taskId: "t", prompt: "Hello", apiKeys });
    assert.deepEqual(body, { taskId: "t", prompt: "Hello" });
    assert.match(asked[0].headers["Idempotency-Key"], /^\d+(-\d+){3}$/);
  }
});

test("a misspelt argument goes to the server, which refuses it", async () => {
  const [, body] = await asks("streamChat", { taskId: "t", prompt: "Hello", sytemPrompt: "x" });
  assert.equal(body.sytemPrompt, "x");
});

test("tools go along; without one a chat is a chat", async () => {
  const tools = [{ name: "look_up", description: "Looks up.", parameters: {} }];
  assert.deepEqual(await asks("streamChatWithTools", { taskId: "t", prompt: "Hi", tools }), [
    "/api/action/streaming.streamChatWithTools",
    { taskId: "t", prompt: "Hi", tools },
  ]);
  asked.length = 0;
  assert.deepEqual(await asks("streamChatWithTools", { taskId: "t", prompt: "Hi", tools: [] }), [
    "/api/action/streaming.streamChat",
    { taskId: "t", prompt: "Hi" },
  ]);
});

test("a reply is resumed by either name of its id", async () => {
  const { clientMessageId, ...old } = oldChat;
  const body = { messageId: "m1", apiKeys: { anthropic: "sk-ours" } };
  assert.deepEqual(await asks("resumeStream", { ...old, fromMessageId: "m1" }), [
    "/api/action/streaming.resumeStream",
    body,
  ]);
  asked.length = 0;
  assert.deepEqual((await asks("resumeStream", { messageId: "m1" }))[1], { messageId: "m1" });
});

const presence = { taskId: "t", userId: "u", userName: "Ada", cursor: { x: 1, y: 2 } };
const activity = { taskId: "t", userId: "u", activityType: "file-saved", metadata: { path: "a" } };

for (const [name, args, url, body] of [
  ["cancelStream", ["m"], "action/streaming.cancelStream", { messageId: "m" }],
  ["updatePresence", [presence], "mutation/presence.updatePresence", presence],
  ["getActiveUsers", ["t"], "query/presence.getActiveUsers", { taskId: "t" }],
  ["getActiveUsers", ["t", 9], "query/presence.getActiveUsers", { taskId: "t", timeoutMs: 9 }],
  ["removePresence", ["t", "u"], "mutation/presence.removePresence", { taskId: "t", userId: "u" }],
  ["broadcastActivity", [activity], "mutation/presence.broadcastActivity", activity],
  ["getRecentActivities", ["t", 5], "query/presence.getRecentActivities", { taskId: "t", limit: 5 }],
  ["listToolCallsByMessage", ["m"], "query/toolCallTracking.byMessage", { messageId: "m" }],
  ["listToolCallsByTask", ["t"], "query/toolCallTracking.byTask", { taskId: "t" }],
  ["getToolCallById", ["c"], "query/toolCallTracking.byToolCallId", { toolCallId: "c" }],
]) {
  test(`${name}(${args.map((arg) => typeof arg)}) asks for ${url}`, async () => {
    assert.deepEqual(await asks(name, ...args), [`/api/${url}`, body]);
  });
}

for (const [name, args] of [
  ["streamChat", [oldChat]],
  ["streamChatWithTools", [oldChat]],
  ["cancelStream", ["m"]],
  ["resumeStream", [{ messageId: "m" }]],
  ["updatePresence", [presence]],
  ["getActiveUsers", ["t", undefined]],
  ["removePresence", ["t", "u", undefined]],
  ["broadcastActivity", [activity]],
  ["getRecentActivities", ["t", undefined]],
  ["listToolCallsByMessage", ["m"]],
  ["listToolCallsByTask", ["t"]],
  ["getToolCallById", ["c"]],
]) {
  test(`${name} takes a client of one's own at its end`, async () => {
    const own = createFetch([200, { value: "own", position: "1.1~x" }]);
    const client = createClient({ fetch: own.fetch, EventSource: class {} });
    assert.equal(await headwater[name](...args, client), "own");
    assert.deepEqual([asked.length, own.asked.length], [0, 1]);
  });
}

test("the default client is made at first use, and is one", () => {
  setDefaultClient(undefined);
  const made = defaultClient();
  assert.equal(defaultClient(), made);
  made.close();
});
