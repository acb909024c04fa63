// Live queries as a page keeps them: frames, optimistic updates, mutations, preloaded values.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { createClient } from "../../server/browser/client.js";
import { createClock, createEventSources, createFetch, refusal, settle } from "./fakes.mjs";

/** A client whose frames are drawn when the test says so. */
function setUp(...answers) {
  const clock = createClock();
  const frames = [];
  const { FakeEventSource, opened } = createEventSources();
  const { fetch, asked } = createFetch(...answers);
  const client = createClient({
    fetch,
    EventSource: FakeEventSource,
    clientId: "me",
    timers: { ...clock.timers, nextFrame: (callback) => frames.push(callback) },
    random: () => 1,
  });
  const draw = () => {
    for (const callback of frames.splice(0)) callback();
  };
  return { asked, client, clock, draw, frames, opened, source: () => opened.at(-1) };
}

const add = (...values) => ({
  patch: values.map((value) => ({ op: "add", path: "/-", value })),
});

/** A live query of `list`, shown at 1.1 with [one]. */
async function setUpList(...answers) {
  const parts = setUp(...answers);
  const live = parts.client.live("list", {});
  const told = [];
  parts.stop = live.subscribe(() => told.push(live.result?.value ?? live.result?.error));
  await parts.clock.advance(0);
  parts.source().send("1.1~b", { queries: { 1: { snapshot: ["one"] } }, from: null });
  parts.draw();
  return { ...parts, live, told };
}

const reported = [];
globalThis.reportError = (error) => reported.push(error);
afterEach(() => assert.deepEqual(reported.splice(0), []));

// Frames

test("a burst is shown once, with the next frame, and all queries of it together", async () => {
  const { client, clock, draw, source } = setUp();
  const one = client.live("a");
  const other = client.live("b");
  const seen = [];
  one.subscribe(() => seen.push([one.result.value, other.result.value]));
  other.subscribe(() => seen.push([one.result.value, other.result.value]));
  await clock.advance(0);
  source().send("1.1~b", { queries: { 1: { snapshot: [] }, 2: { snapshot: [] } }, from: null });
  for (let step = 2; step < 50; step += 1) {
    source().send(`${step}.1~b`, { queries: { 1: add(step) } });
    source().send(`${step}.2~b`, { queries: { 2: add(step) } });
  }
  assert.equal(one.result, undefined);
  assert.deepEqual(seen, []);
  draw();
  assert.equal(seen.length, 2);
  for (const [a, b] of seen) assert.deepEqual([a.length, b.length], [48, 48]);
});

test("a result is the same object until it changes, and parts of it beyond that", async () => {
  const { draw, live, source } = await setUpList();
  const rows = [
    { _id: "a", deep: { x: [1] } },
    { _id: "b", deep: { x: [2] } },
    { _id: "b", deep: { x: [2] } }, // of two tables, perhaps
  ];
  source().send("2.1~b", { queries: { 1: { snapshot: rows } } });
  draw();
  const before = live.result;
  source().send("3.1~b", { queries: { 1: { snapshot: structuredClone(rows) } } });
  draw();
  assert.equal(live.result, before);
  const changed = [{ _id: "c" }, rows[0], { _id: "b", deep: { x: [2] }, more: 1 }];
  source().send("4.1~b", { queries: { 1: { snapshot: structuredClone(changed) } } });
  draw();
  assert.deepEqual(live.result.value, changed);
  assert.equal(live.result.value[1], before.value[0]);
  assert.notEqual(live.result.value[2], before.value[2]);
  assert.equal(live.result.value[2].deep, before.value[2].deep);
});

test("a live query opens nothing until somebody subscribes", async () => {
  const { client, clock, opened } = setUp();
  assert.equal(client.live("f", { a: 1, b: 2 }).key, client.live("f", { b: 2, a: 1 }).key);
  await clock.advance(1000);
  assert.equal(opened.length, 0);
});

test("more queries than a stream takes are told so, and the others go on", async () => {
  const { client, clock, draw, source } = setUp([200, ""]);
  const lives = Array.from({ length: 1_001 }, (_, index) => client.live("f", { index }));
  for (const live of lives) live.subscribe(() => undefined);
  await clock.advance(0);
  draw();
  assert.equal(lives[1_000].result.error.code, "too_large");
  assert.equal(lives[999].result, undefined);
  assert.equal(source(), undefined, "so many are posted");
});

// Preloaded values

test("a preloaded value is there at once and is continued from its position", async () => {
  const { client, clock, draw, source } = setUp([200, { value: ["early"], position: "1.5~b" }]);
  const preloaded = JSON.parse(JSON.stringify(await client.preload("list", { of: "x" })));
  const live = client.live("list", { of: "x" }, { preloaded });
  assert.deepEqual(live.result.value, ["early"]);
  live.subscribe(() => undefined);
  await clock.advance(0);
  assert.equal(source().queries[0].from, "1.5~b");
  source().send("2.1~b", { queries: { 1: add("late") }, from: "1.5~b" });
  draw();
  assert.deepEqual(live.result.value, ["early", "late"]);
});

test("whoever follows a query hears what another has preloaded of it", async () => {
  const { client, clock, draw, source } = setUp();
  const plain = client.live("list", {});
  const told = [];
  plain.subscribe(() => told.push(plain.result.value));
  const preloaded = { function: "list", args: {}, value: ["early"], position: "1.5~b" };
  client.live("list", {}, { preloaded }).subscribe(() => undefined);
  await clock.advance(0);
  source().send("2.1~b", { queries: {}, from: "1.5~b" });
  draw();
  assert.deepEqual(told, [["early"]]);
});

// Mutations

test("mutations go one after another, whatever becomes of each", async () => {
  const { asked, clock } = setUp();
  let lose;
  const held = new Promise((_, reject) => (lose = reject));
  const fetch = async (url) => {
    asked.push(url);
    if (url.endsWith("first")) await held;
    return new Response('{"value": 1, "position": "1.1~b"}');
  };
  const ordered = createClient({ fetch, timers: clock.timers, EventSource: class {} });
  const first = assert.rejects(ordered.mutation("first"), { code: "network" });
  const second = ordered.mutation("second");
  const beat = ordered.mutation("beat", {}, { idempotent: true });
  await settle();
  assert.deepEqual(asked.splice(0).sort(), ["/api/mutation/beat", "/api/mutation/first"]);
  assert.equal(await beat, 1);
  lose(new TypeError("lost"));
  await clock.advance(500);
  assert.deepEqual(asked[0], "/api/mutation/first");
  await clock.advance(600_000);
  await first;
  await second;
  assert.equal(asked.at(-1), "/api/mutation/second");
});

test("a mutation that is idempotent carries no key, another one does", async () => {
  const { asked, client } = setUp([200, { value: 1, position: "1.1~b" }]);
  await client.mutation("m", {}, { idempotent: true });
  await client.mutation("m");
  assert.equal(asked[0].headers["Idempotency-Key"], undefined);
  assert.match(asked[1].headers["Idempotency-Key"], /^\d+(-\d+){3}$/);
});

test("a mutation is resolved when the stream has passed its position, and lagging queries too", async () => {
  const { client, clock, draw, live, source } = await setUpList([
    200,
    { value: "v", position: "5.1~b" },
  ]);
  let done = false;
  const mutation = client.mutation("m").then((value) => (done = value));
  await clock.advance(0);
  source().send("4.9~b", { queries: {} });
  await settle();
  assert.equal(done, false);
  source().send("5.2~b", { queries: { 1: { ...add("x"), at: "4.9~b" } } });
  draw();
  await settle();
  assert.equal(done, false, "the query lags behind");
  source().send("5.3~b", { queries: { 1: add("y") } });
  await settle();
  assert.equal(done, false, "it is not shown yet");
  draw();
  assert.deepEqual(live.result.value, ["one", "x", "y"]);
  await settle();
  assert.equal(done, "v");
  await mutation;
});

test("a preloaded value that is still true holds up no mutation", async () => {
  const { client, clock, draw, source } = setUp([200, { value: "v", position: "5.1~b" }]);
  const preloaded = { function: "list", args: {}, value: ["early"], position: "1.5~b" };
  client.live("list", {}, { preloaded }).subscribe(() => undefined);
  await clock.advance(0);
  let done = false;
  client.mutation("m").then((value) => (done = value));
  source().send("5.1~b-", { queries: {}, from: "1.5~b" });
  draw();
  await settle();
  assert.equal(done, false, "something is behind, and it may be this one");
  source().send("5.2~b", { queries: {} });
  draw();
  await settle();
  assert.equal(done, "v");
  await source().drop();
  await clock.advance(500);
  assert.equal(source().queries[0].from, "5.2~b");
});

test("what a new server has done is waited for on the stream of the one before", async () => {
  const { client, clock, draw, live, source } = await setUpList([
    200,
    { value: "v", position: "5.1~c" },
  ]);
  let done = false;
  client.mutation("m", {}, { optimistic: append("mine") }).then((value) => (done = value));
  await settle();
  draw();
  await settle();
  assert.equal(done, false);
  assert.deepEqual(live.result.value, ["one", "mine"]);
  await source().drop();
  await clock.advance(500);
  source().send("5.1~c", { queries: { 1: { snapshot: ["one", "done"] } }, from: null });
  draw();
  await settle();
  assert.equal(done, "v");
  assert.deepEqual(live.result.value, ["one", "done"]);
});

test("a mutation whose position does not come is resolved after ten seconds", async () => {
  const { client, clock } = await setUpList([200, { value: "v", position: "5.1~b" }]);
  let done = false;
  client.mutation("m").then((value) => (done = value));
  await clock.advance(9_999);
  assert.equal(done, false);
  await clock.advance(1);
  await settle();
  assert.equal(done, "v");
});

test("with nothing followed, a mutation is resolved when it is answered", async () => {
  const { client } = setUp([200, { value: "v", position: "5.1~b" }]);
  assert.equal(await client.mutation("m"), "v");
});

test("a mutation that is given up in the queue is never sent", async () => {
  const { asked, client } = setUp("hang");
  const stop = new AbortController();
  client.mutation("first").catch(() => undefined);
  const second = client.mutation("second", {}, { signal: stop.signal });
  stop.abort(new Error("no more"));
  await settle();
  assert.equal(asked.length, 1);
  client.close();
  assert.ok(second instanceof Promise);
  second.catch(() => undefined);
});

// Optimistic updates

const append = (value) => (store) => store.set("list", {}, [...(store.get("list") ?? []), value]);

test("an optimistic update is shown at once, over what comes, until its effect has come", async () => {
  const { client, clock, draw, live, source, told } = await setUpList([
    200,
    { value: null, position: "5.1~b" },
  ]);
  client.mutation("m", {}, { optimistic: append("mine") });
  draw();
  assert.deepEqual(live.result.value, ["one", "mine"]);
  await clock.advance(0);
  source().send("3.1~b", { queries: { 1: add("theirs") } });
  draw();
  assert.deepEqual(live.result.value, ["one", "theirs", "mine"]);
  source().send("5.1~b", { queries: { 1: add("mine") } });
  await settle();
  draw();
  assert.deepEqual(live.result.value, ["one", "theirs", "mine"]);
  assert.deepEqual(told.length, 3, "that it came true is no change");
});

test("an optimistic update of what fails is taken back", async () => {
  const { client, draw, live } = await setUpList([409, refusal("conflict", "never")]);
  const mutation = client.mutation("m", {}, { optimistic: append("mine") });
  draw();
  assert.deepEqual(live.result.value, ["one", "mine"]);
  await assert.rejects(mutation, { code: "conflict" });
  draw();
  assert.deepEqual(live.result.value, ["one"]);
});

test("updates are laid over each other in order, and go one by one", async () => {
  const { client, clock, draw, live, source } = await setUpList(
    [200, { value: null, position: "5.1~b" }],
    [200, { value: null, position: "6.1~b" }],
  );
  client.mutation("m", {}, { optimistic: append("a") });
  client.mutation("m", {}, { optimistic: append("b") });
  draw();
  assert.deepEqual(live.result.value, ["one", "a", "b"]);
  await clock.advance(0);
  source().send("5.1~b", { queries: { 1: add("A") } });
  await settle();
  draw();
  assert.deepEqual(live.result.value, ["one", "A", "b"]);
});

test("an update of what has not come yet is shown alone, and what nobody follows is left", async () => {
  const { client, clock, draw } = setUp([409, refusal("conflict", "never")]);
  const live = client.live("list");
  live.subscribe(() => undefined);
  await clock.advance(0);
  const mutation = client.mutation(
    "m",
    {},
    {
      optimistic(store) {
        assert.equal(store.get("list"), undefined);
        store.set("list", {}, ["mine"]);
        store.set("nobody", {}, 1);
      },
    },
  );
  draw();
  assert.deepEqual(live.result.value, ["mine"]);
  await assert.rejects(mutation);
  draw();
  assert.equal(live.result, undefined);
});

test("an update that throws is reported and goes; the mutation is made", async () => {
  const { asked, client, draw, live } = await setUpList([200, { value: 1, position: "1.1~b" }]);
  const mutation = client.mutation(
    "m",
    {},
    {
      optimistic() {
        throw new Error("mine");
      },
    },
  );
  draw();
  await settle();
  draw();
  await mutation;
  assert.deepEqual(live.result.value, ["one"]);
  assert.equal(asked.length, 1);
  assert.deepEqual(
    reported.splice(0).map((error) => error.message),
    ["mine"],
  );
});

// Who asks

test("headers go with calls, and with the stream, which is then posted", async () => {
  const { fetch, asked } = createFetch([401, refusal("unauthenticated", "never")]);
  const clock = createClock();
  const client = createClient({
    fetch,
    EventSource: class {
      constructor() {
        assert.fail("an EventSource sends no headers");
      }
    },
    headers: async () => ({ Authorization: "Bearer x" }),
    timers: clock.timers,
  });
  client.subscribe("f", {}, { onChange() {}, onError() {} });
  await clock.advance(0);
  await assert.rejects(client.query("f"), { code: "unauthenticated" });
  assert.deepEqual(
    asked.map(({ url, headers }) => [url, headers.authorization]),
    [
      ["/api/sync?", "Bearer x"],
      ["/api/query/f", "Bearer x"],
    ],
  );
});

test("a ticket is asked for anew with every stream", async () => {
  const clock = createClock();
  const { FakeEventSource, opened } = createEventSources();
  let count = 0;
  const client = createClient({
    url: "https://there.example/hub/",
    EventSource: FakeEventSource,
    ticket: () => Promise.resolve(`t${(count += 1)}`),
    timers: clock.timers,
    random: () => 1,
  });
  client.subscribe("f", {}, () => undefined);
  await clock.advance(0);
  await settle();
  await opened[0].drop();
  await clock.advance(500);
  assert.deepEqual(
    opened.map(({ url }) => [url.pathname, url.searchParams.get("ticket")]),
    [
      ["/hub/api/sync", "t1"],
      ["/hub/api/sync", "t2"],
    ],
  );
});

test("while all that is followed is refused, a mutation is resolved when it is answered", async () => {
  const refused = [401, refusal("unauthenticated", "never")];
  const { client, clock, draw, source } = await setUpList(refused, [
    200,
    { value: "in", position: "9.1~b" },
  ]);
  await source().refuse();
  let value;
  client.mutation("signIn", {}).then((said) => (value = said));
  await clock.advance(0);
  draw();
  await settle();
  assert.equal(value, "in");
});

test("who has signed in is heard after a refusal", async () => {
  const { client, clock, opened, source } = await setUpList([
    401,
    refusal("unauthenticated", "never"),
  ]);
  await source().refuse();
  await settle();
  assert.equal(client.connectionState.value, "closed");
  client.reconnect();
  await clock.advance(0);
  assert.equal(opened.length, 2);
});

test("who has signed in is heard too where only the last that was asked for had been refused", async () => {
  const { client, clock, opened, source } = await setUpList([
    401,
    refusal("unauthenticated", "never"),
  ]);
  client.live("more", {}).subscribe(() => undefined);
  await clock.advance(0);
  await source().refuse();
  await settle();
  assert.equal(client.connectionState.value, "live");
  client.reconnect();
  await clock.advance(0);
  assert.equal(opened.length, 3);
  client.reconnect();
  await clock.advance(0);
  assert.equal(opened.length, 3, "it is being asked for already");
});

test("a machine that has slept asks anew at once when its page is shown", async () => {
  const listeners = {};
  globalThis.addEventListener = (name, listener) => (listeners[name] = listener);
  try {
    const clock = createClock();
    const { FakeEventSource, opened } = createEventSources();
    let sleptMs = 0;
    const timers = { ...clock.timers, now: () => clock.timers.now() + sleptMs };
    const client = createClient({ EventSource: FakeEventSource, timers, random: () => 0 });
    client.subscribe("f", {}, () => undefined);
    await clock.advance(0);
    opened[0].send("1.1~b", { queries: { 1: { snapshot: 1 } }, from: null });
    listeners.pageshow();
    assert.equal(opened[0].open, true);
    sleptMs = 3_600_000;
    listeners.pageshow();
    assert.equal(opened[0].open, false);
    await clock.advance(250);
    assert.equal(opened[1].queries[0].from, "1.1~b");
  } finally {
    delete globalThis.addEventListener;
  }
});
