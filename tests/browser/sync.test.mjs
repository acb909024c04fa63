import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { createClient } from "../../server/browser/client.js";
import { createClock, createEventSources, createFetch, refusal, settle } from "./fakes.mjs";

/** A client, and what it told its listeners: `heard.tasks` is a list of values and errors. */
function setUp(...answers) {
  const clock = createClock();
  const { FakeEventSource, opened, live } = createEventSources();
  const { fetch, asked } = createFetch(...answers);
  const client = createClient({
    fetch,
    EventSource: FakeEventSource,
    clientId: "me",
    timers: clock.timers,
    random: () => 1,
  });
  const states = [];
  client.connectionState.subscribe((state) => states.push(state));
  const heard = {};
  const listen = (name, functionName = name, args = {}) => {
    heard[name] ??= [];
    return client.subscribe(functionName, args, {
      onChange: (value) => heard[name].push(value),
      onError: (error) => heard[name].push(error),
    });
  };
  /** The newest stream. */
  const source = () => opened.at(-1);
  const last = (name) => heard[name].at(-1);
  return { asked, client, clock, heard, last, listen, live, opened, source, states };
}

/** One live subscription to `tasks`, at position p1, with ["one"]. */
async function setUpLive(...answers) {
  const parts = setUp(...answers);
  parts.stop = parts.listen("tasks");
  await parts.clock.advance(0);
  parts.source().send("1.1~b", { queries: { 1: { snapshot: ["one"] } }, from: null });
  return parts;
}

const append = (value) => ({ patch: [{ op: "add", path: "/-", value }] });
const nothing = { queries: {} };

// A listener's mistake is reported, as a browser does it; only the test about it may see one.
const reported = [];
globalThis.reportError = (error) => reported.push(error);
afterEach(() => assert.deepEqual(reported.splice(0), []));

test("the subscriptions of one tick share one stream", async () => {
  const { clock, listen, opened, source, states } = setUp();
  listen("tasks");
  listen("messages", "messages.byTask", { taskId: "t" });
  assert.equal(opened.length, 0);
  await clock.advance(0);
  assert.equal(opened.length, 1);
  assert.equal(source().url.pathname, "/api/sync");
  assert.equal(source().url.searchParams.get("client"), "me");
  assert.deepEqual(source().queries, [
    { id: "1", function: "tasks", args: {} },
    { id: "2", function: "messages.byTask", args: { taskId: "t" } },
  ]);
  assert.deepEqual(states, ["connecting"]);
  source().send("1.1~b", { queries: {}, from: null });
  assert.deepEqual(states, ["connecting", "live"]);
});

test("snapshots, then patches, reach the subscriber; what did not change stays the same", async () => {
  const { heard, source } = await setUpLive();
  source().send("2.1~b", { queries: { 1: append({ deep: true }) } });
  source().send("3.1~b", { queries: { 1: append("three") } });
  assert.deepEqual(heard.tasks, [
    ["one"],
    ["one", { deep: true }],
    ["one", { deep: true }, "three"],
  ]);
  assert.equal(heard.tasks[2][1], heard.tasks[1][1]);
});

test("all queries of a message have moved when the first listener hears of it", async () => {
  const { client, clock, source } = setUp();
  const seen = [];
  const now = {};
  for (const name of ["a", "b"]) {
    client.subscribe(name, {}, (value) => {
      now[name] = value;
      queueMicrotask(() => seen.push({ ...now }));
    });
  }
  await clock.advance(0);
  source().send("1.1~b", { queries: { 1: { snapshot: 1 }, 2: { snapshot: 1 } }, from: null });
  source().send("2.1~b", { queries: { 1: { snapshot: 2 }, 2: { snapshot: 2 } } });
  await settle();
  for (const { a, b } of seen) assert.equal(a, b);
});

test("equal arguments are one query, in whatever order they are written", async () => {
  const { clock, heard, listen, opened, source } = setUp();
  listen("x", "f", { a: 1, b: { c: 2, d: 3 } });
  await clock.advance(0);
  source().send("1.1~b", { queries: { 1: { snapshot: "v" } }, from: null });
  listen("y", "f", { b: { d: 3, c: 2 }, a: 1 });
  assert.deepEqual(heard.y, []);
  await clock.advance(0);
  assert.deepEqual(heard.y, ["v"]);
  assert.equal(opened.length, 1);
});

test("a late subscriber hears a value once, also when one arrives in between", async () => {
  const { heard, listen, source, clock } = await setUpLive();
  listen("late", "tasks");
  source().send("2.1~b", { queries: { 1: append("two") } });
  await clock.advance(0);
  assert.deepEqual(heard.late, [["one", "two"]]);
});

test("a listener that throws keeps nobody else from hearing", async () => {
  const { client, clock, heard, listen, source } = setUp();
  client.subscribe("tasks", {}, () => {
    throw new Error("mine");
  });
  listen("tasks");
  await clock.advance(0);
  source().send("1.1~b", { queries: { 1: { snapshot: 1 } }, from: null });
  assert.deepEqual(heard.tasks, [1]);
  assert.deepEqual(
    reported.splice(0).map((error) => error.message),
    ["mine"],
  );
});

test("a listener to the state that throws keeps no value from being shown", async () => {
  const { client, clock, heard, listen, source } = setUp();
  client.connectionState.subscribe((state) => {
    if (state === "live") throw new Error("mine");
  });
  listen("tasks");
  await clock.advance(0);
  source().send("1.1~b", { queries: { 1: { snapshot: 1 } }, from: null });
  assert.deepEqual(heard.tasks, [1]);
  assert.deepEqual(
    reported.splice(0).map((error) => error.message),
    ["mine"],
  );
});

// Reconnecting

test("a lost connection is opened again from the position held, and carries on", async () => {
  const { clock, heard, opened, source, states } = await setUpLive();
  source().send("2.1~b", nothing);
  await source().drop();
  assert.equal(states.at(-1), "reconnecting");
  assert.equal(opened[0].open, false);
  await clock.advance(499);
  assert.equal(opened.length, 1);
  await clock.advance(1);
  assert.deepEqual(source().queries, [{ id: "1", function: "tasks", args: {}, from: "2.1~b" }]);
  source().send("3.1~b", { queries: { 1: append("two") }, from: "2.1~b" });
  assert.deepEqual(heard.tasks, [["one"], ["one", "two"]]);
  assert.deepEqual(states, ["connecting", "live", "reconnecting", "live"]);
});

test("a reconnect that brings nothing tells nobody anything", async () => {
  const { clock, heard, source } = await setUpLive();
  await source().drop();
  await clock.advance(500);
  source().send("1.1~b", { queries: {}, from: "1.1~b" });
  assert.equal(heard.tasks.length, 1);
});

test("delays double up to 30 s, and begin anew after a steady while", async () => {
  const { clock, source } = await setUpLive();
  const delays = [];
  const failures = [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000];
  for (const _ of failures) {
    await source().drop();
    delays.push(clock.pending()[0]);
    await clock.advance(clock.pending()[0]);
  }
  assert.deepEqual(delays, failures);
  source().send("2.1~b", { queries: {}, from: "1.1~b" });
  await clock.advance(2_000);
  await source().drop();
  assert.equal(clock.pending()[0], 30_000);
  await clock.advance(30_000);
  source().send("3.1~b", { queries: {}, from: "2.1~b" });
  await clock.advance(3_000);
  await source().drop();
  assert.equal(clock.pending()[0], 500);
});

test("a connection that fails after a long while, without a word, clears no failures", async () => {
  const { clock, source } = await setUpLive();
  const delays = [];
  for (let failure = 0; failure < 4; failure += 1) {
    await source().drop();
    delays.push(clock.pending()[0]);
    await clock.advance(clock.pending()[0]);
    await clock.advance(9_000);
  }
  assert.deepEqual(delays, [500, 1000, 2000, 4000]);
});

test("40 s of silence is a lost connection, and a heartbeat is not silence", async () => {
  const { clock, opened, source, states } = await setUpLive();
  for (let beat = 2; beat < 10; beat += 1) {
    await clock.advance(39_000);
    source().send(`${beat}.1~b`, nothing);
  }
  assert.equal(opened.length, 1);
  await clock.advance(39_999);
  assert.equal(states.at(-1), "live");
  await clock.advance(1);
  assert.equal(states.at(-1), "reconnecting");
  assert.equal(opened[0].open, false);
  await clock.advance(500);
  assert.equal(source().queries[0].from, "9.1~b");
});

test("a stream that never begins is given up too", async () => {
  const { clock, listen, opened } = setUp();
  listen("tasks");
  await clock.advance(40_500);
  assert.equal(opened.length, 2);
});

test("another build starts anew: the snapshot replaces what was held", async () => {
  const { clock, heard, source } = await setUpLive();
  await source().drop();
  await clock.advance(500);
  source().send("1.1~c", { queries: { 1: { snapshot: ["other"] } }, from: null });
  source().send("2.1~c", { queries: { 1: append("build") } });
  assert.deepEqual(heard.tasks, [["one"], ["other"], ["other", "build"]]);
});

test("until the snapshot comes after a new start, the old value stays and takes no patch", async () => {
  const { clock, heard, opened, source } = await setUpLive();
  await source().drop();
  await clock.advance(500);
  source().send("1.1~c", { queries: {}, from: null });
  assert.equal(heard.tasks.length, 1);
  source().send("2.1~c", { queries: { 1: append("for something else") } });
  assert.equal(heard.tasks.length, 1);
  await clock.advance(1000);
  assert.equal(opened.length, 3);
  assert.equal(source().queries[0].from, undefined);
});

test("a stream that continues from elsewhere is dropped, and all is asked for anew", async () => {
  const { clock, heard, opened, source } = await setUpLive();
  await source().drop();
  await clock.advance(500);
  source().send("9.1~b", { queries: { 1: append("lost") }, from: "8.1~b" });
  assert.equal(source().open, false);
  assert.deepEqual(heard.tasks, [["one"]]);
  await clock.advance(1000);
  assert.equal(opened.length, 3);
  assert.deepEqual(source().queries, [{ id: "1", function: "tasks", args: {} }]);
  source().send("10.1~b", { queries: { 1: { snapshot: ["all"] } }, from: null });
  assert.deepEqual(heard.tasks, [["one"], ["all"]]);
});

for (const [name, body] of [
  ["a patch that does not fit", { queries: { 1: { patch: [{ op: "remove", path: "/7" }] } } }],
  ["a message that is no JSON", "{"],
  ["a message without queries", { patch: [] }],
  ["an empty entry", { queries: { 1: {} } }],
]) {
  test(`${name} leads to a new start, and changes nothing before`, async () => {
    const { clock, heard, source } = await setUpLive();
    source().send("2.1~b", body);
    assert.deepEqual(heard.tasks, [["one"]]);
    await clock.advance(500);
    assert.equal(source().queries[0].from, undefined);
  });
}

test("a message is taken whole or not at all", async () => {
  const { clock, heard, listen, source } = setUp();
  listen("a");
  listen("b");
  await clock.advance(0);
  source().send("1.1~b", { queries: { 1: { snapshot: [] }, 2: { snapshot: [] } }, from: null });
  source().send("2.1~b", {
    queries: { 1: append("x"), 2: { patch: [{ op: "remove", path: "/7" }] } },
  });
  assert.deepEqual(heard, { a: [[]], b: [[]] });
});

test("a value that lags is continued from where it is true", async () => {
  const { clock, listen, source } = setUp();
  listen("fast");
  listen("slow");
  await clock.advance(0);
  source().send("1.1~b", { queries: { 1: { snapshot: [] }, 2: { snapshot: [] } }, from: null });
  source().send("5.1~b", { queries: { 2: { ...append("x"), at: "3.1~b" } } });
  await source().drop();
  await clock.advance(500);
  assert.deepEqual(
    source().queries.map((query) => query.from),
    ["5.1~b", "3.1~b"],
  );
  source().send("6.1~b", { queries: { 2: append("y") }, from: "5.1~b" });
  await source().drop();
  await clock.advance(1000);
  assert.deepEqual(
    source().queries.map((query) => query.from),
    ["6.1~b", "6.1~b"],
  );
});

test("when the network is back, nobody waits for the delay", async () => {
  const listeners = {};
  globalThis.addEventListener = (name, listener) => (listeners[name] = listener);
  try {
    const { clock, opened, source } = await setUpLive();
    for (const delay of [500, 1000, 2000]) {
      await source().drop();
      await clock.advance(delay);
    }
    await source().drop();
    listeners.online();
    await settle();
    assert.equal(opened.length, 5);
    listeners.online();
    await settle();
    assert.equal(opened.length, 5);
    assert.equal(clock.pending().length, 1, "the retry must not come on top");
  } finally {
    delete globalThis.addEventListener;
  }
});

// Refusals

test("a refused stream is asked for its reason, and tried again when the server says", async () => {
  const { asked, clock, opened, source, states } = await setUpLive([
    503,
    refusal("unavailable", "after", { retryAfterMs: 3000 }),
  ]);
  await source().refuse();
  await settle();
  const [{ url, method, headers, body }, ...more] = asked;
  assert.deepEqual([url, method, more], ["/api/sync?", "POST", []]);
  assert.deepEqual(body.queries, opened[0].queries);
  assert.equal(headers.Accept, "text/event-stream");
  assert.equal(states.at(-1), "reconnecting");
  await clock.advance(2999);
  assert.equal(opened.length, 1);
  await clock.advance(251);
  assert.equal(opened.length, 2);
  assert.equal(source().queries[0].from, "1.1~b");
});

test("a refusal that says never reaches the subscribers, and another set is tried", async () => {
  const { client, clock, last, listen, opened, source, states } = await setUpLive([
    401,
    refusal("unauthenticated", "never"),
  ]);
  await source().refuse();
  await settle();
  assert.equal(last("tasks").code, "unauthenticated");
  assert.equal(last("tasks").status, 401);
  assert.equal(client.connectionState.value, "closed");
  await clock.advance(3_600_000);
  assert.equal(opened.length, 1);
  listen("more");
  await clock.advance(0);
  assert.equal(opened.length, 2);
  assert.equal(source().queries[0].from, undefined);
  source().send("9.1~b", { queries: { 1: { snapshot: ["back"] } }, from: null });
  assert.deepEqual(last("tasks"), ["back"]);
  assert.deepEqual(states, ["connecting", "live", "closed", "connecting", "live"]);
});

test("a refusal that says resync asks for everything anew", async () => {
  const { clock, source } = await setUpLive([400, refusal("position_ahead", "resync")]);
  await source().refuse();
  await clock.advance(500);
  assert.equal(source().queries[0].from, undefined);
});

test("a refusal that the probe no longer meets is tried again", async () => {
  const { asked, clock, opened, source } = await setUpLive([200, ""]);
  await source().refuse();
  await clock.advance(500);
  assert.equal(asked[0].signal.aborted, true, "the probe's own stream must not stay open");
  assert.equal(opened.length, 2);
});

test("a proxy's page is no word of the server's", async () => {
  const { clock, opened, source, states } = await setUpLive([404, "<html>"]);
  await source().refuse();
  await clock.advance(500);
  assert.equal(opened.length, 2);
  assert.equal(states.at(-1), "reconnecting");
});

test("an unreachable server is tried again", async () => {
  const { clock, opened, source } = await setUpLive(new TypeError("fetch failed"));
  await source().refuse();
  await clock.advance(500);
  assert.equal(opened.length, 2);
});

test("a probe that hangs is given up when the client closes", async () => {
  const { asked, client, clock, opened, source } = await setUpLive("hang");
  await source().refuse();
  await settle();
  client.close();
  assert.equal(asked[0].signal.aborted, true);
  await clock.advance(3_600_000);
  assert.equal(opened.length, 1);
});

// A query's own error

test("a query's error is shown, leaves the others alone, and passes with a snapshot", async () => {
  const { clock, heard, last, listen, source } = setUp();
  listen("a");
  listen("b");
  await clock.advance(0);
  source().send("1.1~b", { queries: { 1: { snapshot: 1 }, 2: { snapshot: [] } }, from: null });
  source().send("2.1~b", { queries: { 1: refusal("forbidden", "never"), 2: append("x") } });
  assert.equal(last("a").name, "HeadwaterError");
  assert.equal(last("a").code, "forbidden");
  assert.deepEqual(last("b"), ["x"]);
  source().send("3.1~b", { queries: { 1: { snapshot: 2 } } });
  assert.equal(last("a"), 2);
  assert.equal(heard.b.length, 2);
});

test("a query in error is continued from nowhere", async () => {
  const { clock, last, source } = await setUpLive();
  source().send("2.1~b", { queries: { 1: refusal("forbidden", "never") } });
  await source().drop();
  await clock.advance(500);
  assert.equal(source().queries[0].from, undefined);
  source().send("3.1~b", { queries: { 1: { snapshot: ["again"] } }, from: null });
  assert.deepEqual(last("tasks"), ["again"]);
});

test("a late subscriber hears the error too", async () => {
  const { clock, last, listen, source } = await setUpLive();
  source().send("2.1~b", { queries: { 1: refusal("forbidden", "never") } });
  listen("late", "tasks");
  await clock.advance(0);
  assert.equal(last("late").code, "forbidden");
});

// Changing the set

test("a new query is asked for on a second stream; the first goes when the second has begun", async () => {
  const { clock, heard, listen, live, opened, source, states } = await setUpLive();
  listen("more");
  await clock.advance(0);
  assert.deepEqual(source().queries, [
    { id: "1", function: "tasks", args: {}, from: "1.1~b" },
    { id: "2", function: "more", args: {} },
  ]);
  assert.equal(live().length, 2);
  source().send("2.1~b", { queries: { 1: append("two"), 2: { snapshot: "m" } }, from: "1.1~b" });
  assert.deepEqual(live(), [opened[1]]);
  assert.deepEqual(heard, { tasks: [["one"], ["one", "two"]], more: ["m"] });
  opened[0].send("2.1~b", { queries: { 1: append("two") } });
  source().send("3.1~b", { queries: { 1: append("three") } });
  assert.deepEqual(heard.tasks.at(-1), ["one", "two", "three"]);
  assert.deepEqual(states, ["connecting", "live"]);
});

test("while the second stream opens, the first is still heard; nothing comes twice or goes back", async () => {
  const { clock, heard, listen, live, opened, source } = await setUpLive();
  listen("more");
  await clock.advance(0);
  const [first, second] = opened;
  first.send("2.1~b", { queries: { 1: append("two") } });
  first.send("3.1~b", { queries: { 1: append("three") } });
  second.send("2.1~b", { queries: { 1: append("two"), 2: { snapshot: "m" } }, from: "1.1~b" });
  assert.equal(live().length, 2, "the second stream is still behind");
  assert.deepEqual(heard.more, []);
  second.send("3.1~b", { queries: { 1: append("three"), 2: { snapshot: "n" } } });
  assert.deepEqual(live(), [second]);
  source().send("4.1~b", { queries: { 1: append("four") } });
  assert.deepEqual(heard.tasks, [
    ["one"],
    ["one", "two"],
    ["one", "two", "three"],
    ["one", "two", "three", "four"],
  ]);
  assert.deepEqual(heard.more, ["n"]);
});

test("the second stream takes over as soon as it is where the first is, or further", async () => {
  const { clock, heard, listen, live, opened } = await setUpLive();
  listen("more");
  await clock.advance(0);
  const [first, second] = opened;
  first.send("2.1~b", { queries: { 1: append("two") } });
  second.send("10.1~b", {
    queries: {
      1: { patch: [...append("two").patch, ...append("three").patch] },
      2: { snapshot: "m" },
    },
    from: "1.1~b",
  });
  assert.deepEqual(live(), [second]);
  assert.deepEqual(heard.tasks.at(-1), ["one", "two", "three"]);
  assert.deepEqual(heard.more, ["m"]);
});

test("what the second stream brings again is the same objects", async () => {
  const { clock, heard, listen, opened } = await setUpLive();
  listen("more");
  await clock.advance(0);
  const [first, second] = opened;
  const two = { patch: [{ op: "add", path: "/-", value: { _id: "2", deep: [2] } }] };
  first.send("2.1~b", { queries: { 1: two } });
  second.send("2.1~b", { queries: { 1: two, 2: { snapshot: "m" } }, from: "1.1~b" });
  assert.equal(heard.tasks.length, 2);
  assert.deepEqual(heard.more, ["m"]);
});

test("a second stream that stays behind is closed with the first, and one begins anew", async () => {
  const { clock, heard, listen, live, opened, source } = await setUpLive();
  listen("more");
  await clock.advance(0);
  const [first, second] = opened;
  first.send("2.1~b", { queries: { 1: append("two") } });
  second.send("1.1~b", { queries: { 2: { snapshot: "m" } }, from: "1.1~b" });
  first.send("4.1~b", { queries: { 1: append("four") } });
  await clock.advance(500);
  assert.equal(opened.length, 3);
  assert.deepEqual(live(), [source()]);
  assert.deepEqual(
    source().queries.map((query) => query.from),
    ["4.1~b", undefined],
  );
  source().send("5.1~b", { queries: { 1: append("five"), 2: { snapshot: "m" } }, from: "4.1~b" });
  assert.deepEqual(heard.tasks.at(-1), ["one", "two", "four", "five"]);
});

test("a query that is left is followed a little longer, and found again by who comes back", async () => {
  const { clock, heard, listen, live, opened, source, stop } = await setUpLive();
  stop();
  await clock.advance(4_999);
  source().send("2.1~b", { queries: { 1: append("two") } });
  listen("again", "tasks");
  await clock.advance(3_600);
  assert.deepEqual(heard, { tasks: [["one"]], again: [["one", "two"]] });
  assert.deepEqual(live(), [opened[0]]);
  assert.equal(opened.length, 1);
});

test("leaving one query for another is one change of the set now, and one later", async () => {
  const { clock, listen, live, opened, source, stop } = await setUpLive();
  const asked = () => source().queries.map((query) => query.function);
  stop();
  listen("other");
  await clock.advance(0);
  assert.deepEqual(asked(), ["tasks", "other"]);
  source().send("2.1~b", { queries: { 2: { snapshot: 1 } }, from: "1.1~b" });
  await clock.advance(5_000);
  assert.equal(opened.length, 3);
  assert.deepEqual(asked(), ["other"]);
  source().send("2.1~b", { queries: {}, from: "2.1~b" });
  assert.deepEqual(live(), [opened[2]]);
});

test("of many queries that are left, twenty are followed on", async () => {
  const { clock, listen, source } = setUp();
  const stops = Array.from({ length: 30 }, (_, index) => listen(`f${index}`));
  await clock.advance(0);
  const snapshots = source().queries.map(({ id }) => [id, { snapshot: 1 }]);
  source().send("1.1~b", { queries: Object.fromEntries(snapshots), from: null });
  for (const stop of stops) stop();
  await clock.advance(0);
  const kept = source().queries.map((query) => query.function);
  assert.deepEqual(kept, Array.from({ length: 20 }, (_, index) => `f${index + 10}`));
});

test("who comes back to one of too many that were left, within the tick, finds it", async () => {
  const { clock, heard, listen, opened, source } = setUp();
  const stops = Array.from({ length: 30 }, (_, index) => listen(`f${index}`));
  await clock.advance(0);
  const snapshots = source().queries.map(({ id }) => [id, { snapshot: 1 }]);
  source().send("1.1~b", { queries: Object.fromEntries(snapshots), from: null });
  for (const stop of stops) stop();
  for (let index = 0; index < 30; index += 1) listen(`again${index}`, `f${index}`);
  await clock.advance(0);
  assert.equal(opened.length, 1);
  for (let index = 0; index < 30; index += 1) assert.deepEqual(heard[`again${index}`], [1]);
});

test("who comes back before the stream has let go of a query finds it", async () => {
  const { clock, heard, listen, live, opened, source, stop } = await setUpLive();
  listen("other");
  await clock.advance(0);
  source().send("1.1~b", { queries: { 2: { snapshot: 1 } }, from: "1.1~b" });
  stop();
  await clock.advance(5_000);
  assert.equal(opened.length, 3); // a stream without it is on its way
  listen("again", "tasks");
  await clock.advance(0);
  assert.deepEqual(live(), [opened[1]]);
  assert.deepEqual(heard.again, [["one"]]);
  opened[1].send("2.1~b", { queries: { 1: append("two") } });
  assert.deepEqual(heard.again, [["one"], ["one", "two"]]);
});

test("a change that is taken back within the tick opens nothing", async () => {
  const { clock, listen, opened } = await setUpLive();
  listen("other")();
  await clock.advance(0);
  assert.equal(opened.length, 1);
});

test("a change that is taken back while the second stream opens drops it", async () => {
  const { clock, listen, live, opened } = await setUpLive();
  const stopOther = listen("other");
  await clock.advance(0);
  stopOther();
  await clock.advance(0);
  assert.deepEqual(live(), [opened[0]]);
});

test("a set that changes again before the second stream has begun replaces it", async () => {
  const { clock, heard, listen, live, opened, source } = await setUpLive();
  listen("b");
  await clock.advance(0);
  listen("c");
  await clock.advance(0);
  assert.deepEqual(live(), [opened[0], opened[2]]);
  source().send("2.1~b", { queries: { 2: { snapshot: "b" }, 3: { snapshot: "c" } }, from: "1.1~b" });
  assert.deepEqual(heard, { tasks: [["one"]], b: ["b"], c: ["c"] });
});

test("a first stream that fails during the change is continued from what was seen", async () => {
  const { clock, heard, listen, live, opened, source } = await setUpLive();
  listen("more");
  await clock.advance(0);
  const [first, second] = opened;
  first.send("2.1~b", { queries: { 1: append("two") } });
  second.send("1.5~b", { queries: { 2: { snapshot: "m" } }, from: "1.1~b" });
  await first.drop();
  assert.deepEqual(live(), []);
  await clock.advance(500);
  assert.deepEqual(
    source().queries.map((query) => query.from),
    ["2.1~b", undefined],
  );
  source().send("3.1~b", { queries: { 2: { snapshot: "m" } }, from: "2.1~b" });
  assert.deepEqual(heard.tasks.at(-1), ["one", "two"]);
});

test("a second stream that fails leaves the first alone, and is tried again", async () => {
  const { clock, heard, listen, live, opened, source, states } = await setUpLive();
  listen("more");
  await clock.advance(0);
  await opened[1].drop();
  opened[0].send("2.1~b", { queries: { 1: append("two") } });
  assert.deepEqual(live(), [opened[0]]);
  await clock.advance(500);
  assert.equal(source().queries[0].from, "2.1~b");
  source().send("2.1~b", { queries: { 2: { snapshot: "m" } }, from: "2.1~b" });
  assert.deepEqual(heard, { tasks: [["one"], ["one", "two"]], more: ["m"] });
  assert.deepEqual(states, ["connecting", "live"]);
});

test("a second stream that is out of step ends both, and all is asked for anew", async () => {
  const { clock, heard, listen, live, opened, source } = await setUpLive();
  listen("more");
  await clock.advance(0);
  opened[1].send("9.1~b", { queries: { 2: { snapshot: "m" } }, from: "8.1~b" });
  assert.deepEqual(live(), []);
  await clock.advance(500);
  assert.deepEqual(
    source().queries.map((query) => query.from),
    [undefined, undefined],
  );
  source().send("9.1~b", { queries: { 1: { snapshot: ["all"] }, 2: { snapshot: "m" } }, from: null });
  assert.deepEqual(heard, { tasks: [["one"], ["all"]], more: ["m"] });
});

test("a second stream that is refused for ever tells the new query only", async () => {
  const { clock, heard, last, listen, opened, states } = await setUpLive([
    413,
    refusal("too_large", "never"),
  ]);
  listen("more");
  await clock.advance(0);
  await opened[1].refuse();
  await settle();
  assert.equal(last("more").code, "too_large");
  opened[0].send("2.1~b", { queries: { 1: append("two") } });
  assert.deepEqual(heard.tasks, [["one"], ["one", "two"]]);
  assert.deepEqual(states, ["connecting", "live"]);
  await clock.advance(30_000);
  assert.equal(opened.length, 2);
});

test("the last subscription that goes takes the stream with it", async () => {
  const { clock, listen, live, source, stop } = await setUpLive();
  stop();
  stop();
  await clock.advance(5_000);
  assert.deepEqual(live(), []);
  assert.deepEqual(clock.pending(), []);
  listen("tasks");
  await clock.advance(0);
  assert.equal(source().queries[0].from, undefined);
});

test("a closed client is silent for good", async () => {
  const { client, clock, heard, listen, live, source, states } = await setUpLive();
  client.close();
  source().send("2.1~b", { queries: { 1: append("two") } });
  listen("more");
  await clock.advance(3_600_000);
  assert.deepEqual(live(), []);
  assert.deepEqual(clock.pending(), []);
  assert.deepEqual(heard.tasks, [["one"]]);
  assert.equal(states.at(-1), "closed");
});

// Streams read by fetch

/** What `fetch` answers with a stream: `sends[n]` writes to the nth, and `.end()` ends it. */
function createStreams() {
  const asked = [];
  const sends = [];
  const fetch = async (url, init) => {
    asked.push({ url, ...init, body: JSON.parse(init.body) });
    const encoder = new TextEncoder();
    const body = new ReadableStream({
      start(controller) {
        const send = (text) => controller.enqueue(encoder.encode(text));
        send.end = () => controller.close();
        sends.push(send);
        init.signal.addEventListener("abort", () => controller.error(init.signal.reason));
      },
    });
    return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
  };
  return { fetch, asked, sends };
}

async function settleStream() {
  for (let turn = 0; turn < 5; turn += 1) await settle();
}

test("a set that is too long for a URL is posted, and its stream read by fetch", async () => {
  const clock = createClock();
  const { FakeEventSource, opened } = createEventSources();
  const { fetch, asked, sends } = createStreams();
  const client = createClient({
    fetch,
    EventSource: FakeEventSource,
    clientId: "me",
    timers: clock.timers,
    random: () => 1,
  });
  const heard = [];
  client.subscribe("f", { text: "ä".repeat(4000) }, (value) => heard.push(value));
  await clock.advance(0);
  assert.equal(opened.length, 0);
  assert.equal(asked[0].url, "/api/sync?");
  assert.equal(asked[0].method, "POST");
  assert.equal(asked[0].body.client, "me");
  assert.equal(asked[0].body.queries[0].args.text.length, 4000);
  const [send] = sends;
  send('\uFEFFid: 1.1~b\ndata: {"queries": {"1": {"snapshot": "a"}}, "from": null}\n');
  send(
    '\nid: 2.1~b\ndata: {"queries": {"1": {"patch": [{"op": "append", "path": "", "value": "ß"}]}}}\n\n',
  );
  await settleStream();
  assert.deepEqual(heard, ["a", "aß"]);
  send.end();
  await settleStream();
  await clock.advance(500);
  assert.equal(asked.length, 2);
  assert.equal(asked[1].body.queries[0].from, "2.1~b");
  client.close();
  assert.equal(asked[1].signal.aborted, true);
});

test("where an EventSource is refused and fetch is not, what fetch reads is followed", async () => {
  const clock = createClock();
  const { FakeEventSource, opened } = createEventSources();
  const { fetch, asked, sends } = createStreams();
  let tickets = 0;
  const client = createClient({
    fetch,
    EventSource: FakeEventSource,
    timers: clock.timers,
    ticket: () => `t${(tickets += 1)}`,
  });
  const heard = [];
  client.subscribe("f", {}, (value) => heard.push(value));
  await clock.advance(0);
  await opened[0].refuse();
  await settle();
  assert.equal(opened[0].url.searchParams.get("ticket"), "t1");
  assert.equal(asked[0].url, "/api/sync?ticket=t2");
  sends[0]('id: 1.1~b\ndata: {"queries": {"1": {"snapshot": "a"}}, "from": null}\n\n');
  await settleStream();
  await clock.advance(0);
  assert.deepEqual(heard, ["a"]);
  assert.equal(client.connectionState.value, "live");
  assert.deepEqual([opened.length, asked.length], [1, 1]);
  client.close();
  assert.equal(asked[0].signal.aborted, true);
});
