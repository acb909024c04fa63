// Transitions that were damaged on the way: the client shows what a strict reader makes of them,
// and where that refuses, it asks for a snapshot.
//
//     node fuzz.mjs <seed> <schedules>
import assert from "node:assert/strict";
import { createClient } from "../../../server/browser/client.js";
import { createDice } from "../dice.mjs";
import { createClock, createEventSources, createFetch } from "../fakes.mjs";
import { read, Refused } from "./oracle.mjs";

const [firstSeed, schedules] = process.argv.slice(2).map(Number);
const NAMES = ["notes", "people"];
const EVENTS_MAX = 12;

/** A server that means well: what its queries show, and what it says of a change. */
function createServer({ below, chance, pick }) {
  let seconds = 10;
  const values = {};
  const document = () => ({ _id: String(below(1_000)), text: "one", tags: ["a"], at: { x: 1 } });
  const change = (value) => {
    const index = below(value.length);
    const choices = [
      () => (value.push(document()), { op: "add", path: "/-", value: value.at(-1) }),
      () => (value.unshift(document()), { op: "add", path: "/0", value: value[0] }),
    ];
    if (value.length > 0) {
      const one = value[index];
      choices.push(
        () => ((one.text += " two"), { op: "append", path: `/${index}/text`, value: " two" }),
        () => ((one.at.x += 1), { op: "replace", path: `/${index}/at/x`, value: one.at.x }),
        () => ((one.__more = [1]), { op: "add", path: `/${index}/__more`, value: [1] }),
        () => (value.splice(index, 1), { op: "remove", path: `/${index}` }),
        () => (
          value.push(...value.splice(0, 1)),
          { op: "move", from: "/0", path: `/${value.length - 1}` }
        ),
      );
    }
    return structuredClone(pick(choices)());
  };
  for (const name of NAMES) values[name] = [document()];
  const position = () => `${seconds}.${below(9)}~b`;
  return {
    values,
    next: () => ((seconds += 1), position() + (chance(0.3) ? "-" : "")),
    /** What is said first to who asks from a position, or from nothing. */
    first(queries, canContinue) {
      const from = canContinue ? (queries.find((query) => query.from)?.from ?? null) : null;
      const entries = queries.map(({ id, function: name, from: own }) => {
        if (from && own === from) return [id, { patch: changes(name) }];
        return [id, { snapshot: structuredClone(values[name]) }];
      });
      return { from, queries: Object.fromEntries(entries) };
    },
    more(queries) {
      const told = queries.filter(() => chance(0.6));
      const entries = told.map(({ id, function: name }) => {
        if (chance(0.05))
          return [id, { error: { code: "internal", message: "No.", retry: "never" } }];
        if (chance(0.1) || broken.has(name)) return [id, snapshotOf(name)];
        return [id, { patch: changes(name), ...(chance(0.1) && { at: position() }) }];
      });
      for (const [id, entry] of entries) {
        const { function: name } = queries.find((query) => query.id === id);
        if (entry.error) broken.add(name);
      }
      return { queries: Object.fromEntries(entries) };
    },
  };

  function snapshotOf(name) {
    broken.delete(name);
    return { snapshot: structuredClone(values[name]) };
  }
  function changes(name) {
    return Array.from({ length: below(3) }, () => change(values[name]));
  }
}

const ODD = [
  null,
  true,
  0,
  -1,
  1e9,
  "",
  "x",
  "/",
  "/0",
  "/-",
  "__proto__",
  "9.9~b",
  [],
  {},
  [[]],
  [{}],
];

/** Damage a message: its text, or a part of its meaning. */
function damage(message, { below, chance, pick }) {
  if (chance(0.3)) {
    const text = JSON.stringify(message);
    const [a, b] = [below(text.length + 1), below(text.length + 1)].sort((x, y) => x - y);
    const cut = chance(0.5) ? a + 1 : b;
    return pick([
      () => text.slice(0, a) + text.slice(cut),
      () => text.slice(0, a),
      () => text.slice(0, b) + text.slice(a),
      () =>
        text.slice(0, a) + pick([...'{}[]",:/0159-~ \\u', "null", "append"]) + text.slice(a + 1),
    ])();
  }
  const copy = structuredClone(message);
  const places = [];
  const walk = (node) => {
    if (typeof node !== "object" || node === null) return;
    for (const key of Object.keys(node)) {
      places.push([node, key]);
      walk(node[key]);
    }
  };
  walk(copy);
  for (let count = 1 + below(2); count > 0 && places.length > 0; count -= 1) {
    const [node, key] = pick(places);
    pick([
      () => delete node[key],
      () => (node[key] = structuredClone(pick(ODD))),
      () => (node[key] = structuredClone(pick(places.map(([other, name]) => other[name])) ?? null)),
      () => (node[pick(["99", "1", "from", "at", "snapshot", "patch", "error", "op"])] = node[key]),
    ])();
  }
  try {
    return JSON.stringify(copy) ?? "";
  } catch {
    return "[]"; // it holds itself now
  }
}

async function play(seed, tally) {
  const dice = createDice(seed);
  const server = createServer(dice);
  const clock = createClock();
  const { FakeEventSource, opened, live } = createEventSources();
  const { fetch } = createFetch(new Error("unreachable"));
  const options = { fetch, EventSource: FakeEventSource, timers: clock.timers, random: dice.random };
  const client = createClient({ ...options, clientId: "me", shareTabs: false });
  const shown = {};
  for (const name of NAMES) {
    const onChange = (value) => (shown[name] = { value });
    client.subscribe(name, {}, { onChange, onError: () => (shown[name] = { error: true }) });
  }
  await clock.advance(0);
  let held = { position: null, values: {} };
  const keep = (queries, values) => {
    for (const { id, function: name } of queries) if (values[id]) byName[name] = values[id];
  };
  const byName = {};
  let mustAskAnew = false;

  for (let connection = 0; connection < 4; connection += 1) {
    assert.equal(live().length, 1, "one stream is open");
    const source = live()[0];
    const queries = source.queries;
    const known = queries.map(({ id }) => id);
    held.values = Object.fromEntries(
      queries
        .filter(({ function: name }) => byName[name])
        .map(({ id, function: name }) => [id, byName[name]]),
    );
    for (const { id, function: name, from } of queries) {
      const entry = byName[name];
      const wanted = entry && "value" in entry && !entry.stale && !mustAskAnew;
      assert.equal(
        from,
        wanted ? (entry.at ?? held.position) : undefined,
        `${name} ${id} asks from`,
      );
    }
    let refused = false;
    for (let count = 0; count < 1 + dice.below(EVENTS_MAX) && !refused; count += 1) {
      const first = count === 0;
      const message = first ? server.first(queries, dice.chance(0.7)) : server.more(queries);
      const position = dice.chance(0.02) ? dice.pick(["", "x", "1", "~b"]) : server.next();
      const data = dice.chance(0.15) ? damage(message, dice) : JSON.stringify(message);
      try {
        held = read(held, known, first, position, data);
        keep(queries, held.values);
        mustAskAnew = false;
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        refused = true;
        mustAskAnew = true;
        tally.refused += 1;
      }
      tally.messages += 1;
      source.send(position, data);
      const said = `${position} ${data.slice(0, 600)}`;
      assert.equal(source.open, !refused, `it ${refused ? "took" : "refused"} ${said}`);
      for (const name of NAMES) {
        const entry = byName[name];
        if (!entry) assert.equal(shown[name], undefined);
        else if (entry.error) assert.ok(shown[name].error, name);
        else assert.deepEqual(shown[name].value, entry.value, name);
      }
    }
    if (!refused) source.drop();
    assert.equal(live().length, 0, "it waits before it asks again");
    for (let waited = 0; waited < 5_000 && live().length === 0; waited += 100) {
      await clock.advance(100);
    }
  }
  client.close();
  assert.equal(live().length, 0);
  assert.equal(opened.length, 5);
  assert.equal("polluted" in {}, false);
}

const tally = { messages: 0, refused: 0 };
const broken = new Set();
for (let seed = firstSeed; seed < firstSeed + schedules; seed += 1) {
  broken.clear();
  try {
    await play(seed, tally);
  } catch (error) {
    console.error(`seed ${seed} (HEADWATER_SEED=${seed} plays it first)`);
    throw error;
  }
}
assert.ok(tally.refused > schedules / 4, "damage was noticed");
const { messages, refused } = tally;
console.log(`${schedules} schedules from ${firstSeed}: ${messages} messages, ${refused} refused`);
