import assert from "node:assert/strict";
import { test } from "node:test";
import { createClient, HeadwaterError } from "../../server/browser/client.js";
import { createClock, createFetch, refusal, settle } from "./fakes.mjs";

const broken = new TypeError("fetch failed");
const unavailable = [503, refusal("unavailable", "after", { retryAfterMs: 2000 })];
const done = [200, { value: { _id: "t1" }, position: "1.1~x" }];

function setUp(...answers) {
  const clock = createClock();
  const { fetch, asked } = createFetch(...answers);
  const client = createClient({
    fetch,
    EventSource: class {},
    clientId: "me",
    timers: clock.timers,
    random: () => 1,
  });
  return { clock, asked, client };
}

test("a mutation posts its arguments and resolves with the value", async () => {
  const { client, asked } = setUp(done);
  assert.deepEqual(await client.mutation("tasks.create", { title: "x" }, { idempotencyKey: "k" }), {
    _id: "t1",
  });
  const [{ url, method, headers, body }] = asked;
  assert.deepEqual([url, method, body], ["/api/mutation/tasks.create", "POST", { title: "x" }]);
  assert.deepEqual(headers, {
    "Content-Type": "application/json",
    "Headwater-Client": "me",
    "Idempotency-Key": "k",
  });
});

test("outside a page a client that was not told where the server is says so, and does not try", async () => {
  const client = createClient();
  const wrong = { code: "no_url", retry: "never", message: /createClient needs a url/ };
  await assert.rejects(client.query("tasks.list"), wrong);
  await assert.rejects(client.mutation("tasks.create", { title: "x" }), wrong);
  const refused = await new Promise((onError) => {
    client.subscribe("tasks.list", {}, { onChange: assert.fail, onError });
  });
  assert.equal(refused.code, "no_url");
  assert.equal(client.connectionState.value, "closed");
  client.close();
});

test("it says so too where the platform has an EventSource, which takes no path either", async () => {
  const before = globalThis.EventSource;
  globalThis.EventSource = class {
    constructor(url) {
      new URL(url); // throws, as theirs do
    }
  };
  const client = createClient();
  const refused = await new Promise((onError) => {
    client.subscribe("tasks.list", {}, { onChange: assert.fail, onError });
    setTimeout(onError, 1_000, { code: "nothing was said" });
  });
  client.close();
  globalThis.EventSource = before;
  assert.equal(refused.code, "no_url");
});

test("a mutation without a key gets one of its own, equal for all its attempts", async () => {
  const { client, asked, clock } = setUp(broken, unavailable, done, done);
  const first = client.mutation("tasks.create", {});
  await clock.advance(60_000);
  await first;
  await client.mutation("tasks.create", {});
  const keys = asked.map(({ headers }) => headers["Idempotency-Key"]);
  assert.equal(keys.length, 4);
  assert.match(keys[0], /^\d+(-\d+){3}$/);
  assert.equal(new Set(keys.slice(0, 3)).size, 1);
  assert.notEqual(keys[3], keys[0]);
});

test("delays double, and never undercut what the server asks for", async () => {
  const { client, clock, asked } = setUp(broken, broken, unavailable, done);
  const call = client.mutation("tasks.create");
  const delaysMs = [];
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    await settle();
    assert.equal(asked.length, attempt);
    delaysMs.push(clock.pending()[0]);
    await clock.advance(clock.pending()[0]);
  }
  assert.deepEqual(delaysMs, [500, 1000, 3000]);
  await call;
});

test("after the last attempt the error is the caller's", async () => {
  const { client, clock, asked } = setUp(broken);
  const outcome = assert.rejects(client.mutation("tasks.create"), (error) => {
    assert.ok(error instanceof HeadwaterError);
    assert.deepEqual(
      [error.code, error.status, error.retry, error.cause],
      ["network", 0, "after", broken],
    );
    return true;
  });
  await clock.advance(600_000);
  await outcome;
  assert.equal(asked.length, 8);
});

test("who looks in again and again while the network is away uses up no attempt", async () => {
  const { client, clock, asked } = setUp(...Array(20).fill(broken), done);
  const mutation = client.mutation("tasks.create");
  for (let look = 1; look <= 20; look += 1) {
    await clock.advance(1);
    assert.equal(asked.length, look);
    client.reconnect();
  }
  assert.deepEqual(await mutation, { _id: "t1" });
});

test("what is said as the page goes is sent once, and outlives the page", async () => {
  const { client, asked, clock } = setUp(broken, done);
  const options = { idempotent: true, keepalive: true };
  const farewell = client.mutation("presence.removePresence", {}, options);
  await Promise.all([assert.rejects(farewell, { code: "network" }), clock.advance(60_000)]);
  assert.deepEqual(
    asked.map(({ keepalive }) => keepalive),
    [true],
  );
});

test("a refusal is not tried again, and keeps all that the server said", async () => {
  const details = [{ path: "title" }];
  const { client, asked } = setUp([422, refusal("invalid_arguments", "never", { details })]);
  await assert.rejects(client.mutation("tasks.create"), {
    name: "HeadwaterError",
    message: "It is invalid_arguments.",
    code: "invalid_arguments",
    status: 422,
    retry: "never",
    retryAfterMs: null,
    details,
  });
  assert.equal(asked.length, 1);
});

test("a proxy's page instead of an answer is tried again", async () => {
  const { client, clock, asked } = setUp([502, "<html>Bad gateway</html>"], done);
  const call = client.mutation("tasks.create");
  await clock.advance(1000);
  assert.deepEqual(await call, { _id: "t1" });
  assert.equal(asked.length, 2);
});

test("an attempt that hangs is given up and tried again", async () => {
  const { client, clock, asked } = setUp("hang", done);
  const call = client.mutation("tasks.create");
  await clock.advance(29_000);
  assert.equal(asked.length, 1);
  await clock.advance(2_000);
  await call;
  assert.equal(asked.length, 2);
});

test("an action that is waited for may take its time", async () => {
  const { client, clock, asked } = setUp("hang");
  const giveUp = new AbortController();
  const call = client.action("streaming.streamChat", {}, { wait: true, signal: giveUp.signal });
  await clock.advance(3_600_000);
  assert.deepEqual([asked.length, asked[0].url], [1, "/api/action/streaming.streamChat?wait=true"]);
  giveUp.abort(new Error("enough"));
  await assert.rejects(call, { message: "enough" });
});

test("a signal ends a call between attempts", async () => {
  const { client, clock, asked } = setUp(broken);
  const giveUp = new AbortController();
  const call = client.mutation("tasks.create", {}, { signal: giveUp.signal });
  const outcome = assert.rejects(call, { message: "enough" });
  await settle();
  giveUp.abort(new Error("enough"));
  await outcome;
  assert.deepEqual(clock.pending(), []);
  assert.equal(asked.length, 1);
});

test("a query carries no key", async () => {
  const { client, asked } = setUp([200, { value: [], position: "1.1~x" }]);
  assert.deepEqual(await client.query("tasks.list"), []);
  assert.equal(asked[0].headers["Idempotency-Key"], undefined);
  assert.equal(asked[0].url, "/api/query/tasks.list");
});
