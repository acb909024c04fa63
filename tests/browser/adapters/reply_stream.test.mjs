// Streams of one reply, from a client whose values the test sends.

import assert from "node:assert/strict";
import { test } from "node:test";
import { replyStream } from "../../../server/browser/adapters/reply_stream.js";
import { settle } from "../fakes.mjs";
import { emptyReply } from "./histories.mjs";

/** A client that follows what the test says, and reads what the test has. */
function createClient(stored = () => null) {
  const followed = new Map();
  const asked = [];
  let followedCount = 0;
  return {
    followed,
    followedCount: () => followedCount,
    asked,
    send: (name, value) => followed.get(name).onChange(value),
    fail: (name, error) => followed.get(name).onError(error),
    subscribe(name, args, listener) {
      followed.set(name, listener);
      followedCount += 1;
      return () => followed.delete(name);
    },
    async query(name, args) {
      asked.push([name, args]);
      return stored();
    },
  };
}

const text = (words, more) =>
  emptyReply({ status: "STREAMING", parts: [{ type: "text", text: words }], ...more });
const done = { status: "COMPLETED", finishReason: "end_turn" };
const translate = ({ type, delta }) => [delta ?? type];

function open(client, options = {}) {
  const all = { client, messageIds: ["6b08"], translate, ...options };
  return replyStream(all).getReader();
}

/** What was told when the reader had to wait, and what it waits for. */
async function drain(reader, next = reader.read()) {
  const told = [];
  for (;; next = reader.read()) {
    const waits = settle().then(() => "waits");
    const one = await Promise.race([next, waits]);
    if (one === "waits") return { told, next };
    if (one.done) return { told, ended: true };
    told.push(one.value);
  }
}

test("nothing is followed before somebody reads, and nothing after the end", async () => {
  const client = createClient();
  const reader = open(client);
  assert.equal(client.followed.size, 0);
  const first = reader.read();
  await settle();
  assert.deepEqual([...client.followed.keys()], ["messages.get"]);
  client.send("messages.get", text("One."));
  client.send("messages.get", text("One.", done));
  assert.equal((await first).value, "begun");
  const { told, ended } = await drain(reader);
  assert.deepEqual(told, ["part-begun", "One.", "part-ended", "ended"]);
  assert.ok(ended);
  assert.equal(client.followed.size, 0);
  assert.deepEqual(client.asked, []);
});

test("a slow reader is given what is newest, once", async () => {
  const client = createClient();
  const reader = open(client);
  const first = reader.read();
  await settle();
  client.send("messages.get", text(""));
  await first;
  for (let count = 1; count <= 100; count += 1) {
    client.send("messages.get", text("x".repeat(count)));
  }
  const { told } = await drain(reader);
  assert.deepEqual(told, ["part-begun", "x".repeat(100)]);
});

test("a change of which there is nothing to say is passed over", async () => {
  const client = createClient();
  const reader = open(client);
  const first = reader.read();
  await settle();
  const message = text("One");
  client.send("messages.get", message);
  const { next } = await drain(reader, first);
  client.send("messages.get", { ...message, updatedAt: 2 });
  await settle();
  client.send("messages.get", text("One, two", { updatedAt: 3 }));
  assert.deepEqual((await drain(reader, next)).told, [", two"]);
});

test("of a reply that was resumed, how it ended before is not believed", async () => {
  let stored = text("One, ", { status: "PENDING" });
  const client = createClient(() => stored);
  const reader = open(client, { isResumed: true });
  const first = reader.read();
  await settle();
  client.send("messages.get", text("One, ", { status: "CANCELLED" }));
  client.send("messages.get", text("One, ", { status: "CANCELLED", usage: {} }));
  await settle();
  client.send("messages.get", text("One, "));
  assert.equal((await first).value, "begun");
  assert.deepEqual((await drain(reader)).told, ["part-begun", "One, "]);
});

test("of a reply that was resumed, the ending is what the server has when it is asked", async () => {
  const client = createClient(() => text("One, two.", done));
  const reader = open(client, { isResumed: true });
  const first = reader.read();
  await settle();
  client.send("messages.get", text("One, ", { status: "CANCELLED" }));
  const { told, ended } = await drain(reader, first);
  assert.deepEqual(told, ["begun", "part-begun", "One, two.", "part-ended", "ended"]);
  assert.ok(ended);
});

test("a message that is not there yet is waited for; one that is gone is an error", async () => {
  let stored = text("");
  const client = createClient(() => stored);
  const reader = open(client);
  const first = reader.read();
  await settle();
  client.send("messages.get", null);
  await settle();
  client.send("messages.get", text("One"));
  assert.equal((await first).value, "begun");
  const { next } = await drain(reader);
  stored = null;
  client.send("messages.get", null);
  await assert.rejects(next, /This message is gone/);
  assert.equal(client.followed.size, 0);
});

test("an error that can pass is waited out, another ends the stream", async () => {
  const client = createClient();
  const reader = open(client);
  const first = reader.read();
  await settle();
  client.fail("messages.get", { retry: "after" });
  client.send("messages.get", text(""));
  assert.equal((await first).value, "begun");
  const { next } = await drain(reader);
  const error = Object.assign(new Error("No."), { retry: "never" });
  client.fail("messages.get", error);
  await assert.rejects(next, error);
});

test("calls are followed only of a reply that has some, and may fail", async () => {
  const client = createClient();
  const reader = open(client);
  const first = reader.read();
  await settle();
  client.send("messages.get", text(""));
  const { next } = await drain(reader, first);
  assert.equal(client.followed.size, 1);
  const call = { type: "tool-call", toolCallId: "c", toolName: "run", argsText: "{}", args: {} };
  client.send("messages.get", emptyReply({ status: "STREAMING", parts: [call] }));
  assert.equal(client.followed.size, 2);
  client.fail("toolCallTracking.byMessage", { retry: "never" });
  client.send("messages.get", emptyReply({ status: "STREAMING", parts: [call], updatedAt: 2 }));
  client.send("toolCallTracking.byMessage", [{ toolCallId: "c", approval: "required" }]);
  assert.equal((await drain(reader, next)).told.at(-1), "approval");
  assert.equal(client.followedCount(), 2);
});

test("who aborts or cancels looks away, also before anything came", async () => {
  for (const leave of ["abort", "cancel", "abort before"]) {
    const client = createClient();
    const controller = new AbortController();
    if (leave === "abort before") controller.abort();
    const reader = open(client, { signal: controller.signal });
    const first = reader.read();
    await settle();
    if (leave === "abort") controller.abort();
    if (leave === "cancel") await reader.cancel();
    assert.equal((await first).done, true);
    assert.equal(client.followed.size, 0);
    assert.deepEqual(client.asked, []);
  }
});

test("several replies are told one after another", async () => {
  const client = createClient();
  const reader = open(client, { messageIds: ["one", "two"] });
  const first = reader.read();
  await settle();
  client.send("messages.get", text("One.", done));
  const { told, next } = await drain(reader, first);
  assert.deepEqual(told, ["begun", "part-begun", "One.", "part-ended", "ended"]);
  assert.equal(client.followed.size, 1);
  client.send("messages.get", text("Two.", done));
  const rest = await drain(reader, next);
  assert.ok(rest.ended);
  assert.deepEqual(rest.told, ["begun", "part-begun", "Two.", "part-ended", "ended"]);
});
