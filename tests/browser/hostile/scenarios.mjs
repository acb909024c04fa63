// What a server, or whoever answers in its place, could say that it should not.
import { answer, event, good, refusal, stream } from "./server.mjs";

const EVIL = [{ _id: "a", text: "EVIL" }];
const POSITION = "11.1~b";

const deep = (depth, inner = "1") => `${"[".repeat(depth)}${inner}${"]".repeat(depth)}`;
const operation = (op, path, value) => `{"op":"${op}","path":"${path}","value":${value}}`;
const bytes = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));

/** Data that is no transition. */
const DATA = {
  "no JSON": "{",
  "an empty text": "",
  "a word": "undefined",
  "a number": "5",
  "a string": '"queries"',
  null: "null",
  "a list": "[]",
  "a list of transitions": '[{"queries":{}}]',
  "no queries": "{}",
  "queries that are null": '{"queries":null}',
  "queries that are a number": '{"queries":1}',
  "queries that are a text": '{"queries":"1"}',
  "queries that are true": '{"queries":true}',
  "queries that are a list": JSON.stringify({ queries: [null, { snapshot: EVIL }] }),
  "queries in a prototype": JSON.stringify({ queries: null }).replace("queries", "__proto__"),
  "a deep list": deep(200_000),
  "deep queries": `{"queries":${deep(200_000)}}`,
  "half of itself": '{"queries":{"1":{"snapsh',
  "two at once": '{"queries":{}}{"queries":{}}',
};

/** Entries of a query that say nothing that could be followed. */
const ENTRIES = {
  null: null,
  "a number": 5,
  "a text": "snapshot",
  "a list": [],
  true: true,
  "an empty object": {},
  "another word": { value: EVIL },
  "a snapshot beside a patch": { snapshot: EVIL, patch: [] },
  "a snapshot beside an error": { snapshot: EVIL, error: {} },
  "a patch of null": { patch: null },
  "a patch that is an object": { patch: {} },
  "a patch that is a text": { patch: "[]" },
  "an operation of null": { patch: [null] },
  "an operation that is a list": { patch: [[]] },
  "an operation that is a number": { patch: [1] },
  "no op": { patch: [{ path: "/0", value: EVIL }] },
  "an unknown op": { patch: [{ op: "merge", path: "/0", value: EVIL }] },
  "an op that is an object": { patch: [{ op: { toString: 1 }, path: "/0", value: 1 }] },
  "no path": { patch: [{ op: "add", value: 1 }] },
  "a path that is a number": { patch: [{ op: "add", path: 0, value: 1 }] },
  "a path without a slash": { patch: [{ op: "add", path: "0", value: 1 }] },
  "a path badly escaped": { patch: [{ op: "add", path: "/~2", value: 1 }] },
  "a path to nowhere": { patch: [{ op: "replace", path: "/0/title", value: "EVIL" }] },
  "a path through nowhere": { patch: [{ op: "add", path: "/0/a/b", value: "EVIL" }] },
  "a path through a text": { patch: [{ op: "add", path: "/0/text/0", value: "EVIL" }] },
  "an index past the end": { patch: [{ op: "add", path: "/5", value: EVIL }] },
  "a huge index": { patch: [{ op: "add", path: "/4294967295", value: EVIL }] },
  "a vast index": { patch: [{ op: "add", path: `/${"9".repeat(400)}`, value: EVIL }] },
  "an index below zero": { patch: [{ op: "add", path: "/-1", value: EVIL }] },
  "an index with a zero before it": { patch: [{ op: "replace", path: "/00", value: EVIL }] },
  "an index that is a fraction": { patch: [{ op: "replace", path: "/0.0", value: EVIL }] },
  "an index that is a name": { patch: [{ op: "add", path: "/length", value: 0 }] },
  "removing the whole": { patch: [{ op: "remove", path: "" }] },
  "removing what is not there": { patch: [{ op: "remove", path: "/1" }] },
  "appending to a list": { patch: [{ op: "append", path: "", value: "EVIL" }] },
  "appending a number": { patch: [{ op: "append", path: "/0/text", value: 1 }] },
  "moving what is not there": { patch: [{ op: "move", from: "/7", path: "/0" }] },
  "moving into itself": { patch: [{ op: "move", from: "/0", path: "/0/text" }] },
  "moving from no pointer": { patch: [{ op: "move", from: 1, path: "/0" }] },
  "a test that fails": { patch: [{ op: "test", path: "/0/text", value: "EVIL" }] },
  "no value": { patch: [{ op: "replace", path: "/0/text" }] },
  "a first operation that fits, and a second that does not": {
    patch: [
      { op: "replace", path: "/0/text", value: "EVIL" },
      { op: "remove", path: "/9" },
    ],
  },
  "a path through a prototype": {
    patch: [{ op: "add", path: "/0/__proto__/polluted", value: true }],
  },
  "a path through a constructor": {
    patch: [{ op: "add", path: "/0/constructor/prototype/polluted", value: true }],
  },
  "a path through a list's prototype": {
    patch: [{ op: "add", path: "/__proto__/polluted", value: true }],
  },
  "a very long path": { patch: [{ op: "add", path: "/0".repeat(200_000), value: 1 }] },
};

/** The same, as text that `JSON.stringify` would not write. */
const RAW_ENTRIES = {
  "a snapshot in a prototype": `{"__proto__":{"snapshot":${JSON.stringify(EVIL)}}}`,
  "a deep operation that does not fit": `{"patch":[${operation("nonsense", "/0", deep(200_000))}]}`,
  "a deep patch": `{"patch":${deep(200_000)}}`,
  "a deep test": `{"patch":[${[
    operation("add", "/0/x", deep(50_000)),
    operation("add", "/0/y", deep(50_000)),
    operation("test", "/0/x", deep(50_000, "2")),
  ]}]}`,
};

/** Pieces of a stream that has begun well, or has not begun. */
const STREAMS = {
  "a named event": [
    event(POSITION, { queries: { 1: { snapshot: EVIL } } }, "event: evil\n"),
    "end",
  ],
  "half an event, and the end": [
    `id: ${POSITION}\ndata: {"queries":{"1":{"snapshot":[]}}}\n`,
    "end",
  ],
  "half an event, and a reset": [`id: ${POSITION}\ndata: {"quer`, "reset"],
  "half an event, and silence": [`id: ${POSITION}\ndata: {"queries":{"1":{"snapshot":[]}}}`],
  silence: [],
  "nothing but comments, and the end": [":\n\n".repeat(1_000), "end"],
  "nothing but empty lines": ["\n".repeat(100_000), "end"],
  "a delay of nothing": ["retry: 0\n\n", "end"],
  "bytes that are no UTF-8": [
    bytes(`id: ${POSITION}\ndata: {"queries":{"1":{"snapshot":["`, [0xf0, 0x9f]),
    bytes([0x92], '"],"x":', [0xff, 0xfe], "}}}\n\n"),
    "end",
  ],
  "random bytes": [Buffer.from(Array.from({ length: 5_000 }, (_, i) => (i * 7919) % 251)), "end"],
  "a query that nobody asked for": [
    event(POSITION, { queries: { 99: { snapshot: EVIL } } }),
    "end",
  ],
  "a query by the name of a prototype": [
    event(
      POSITION,
      `{"queries":{"__proto__":{"snapshot":${JSON.stringify(EVIL)}},"constructor":{}}}`,
    ),
    "end",
  ],
  "an at that is no position": [
    event(POSITION, { queries: { 1: { patch: [], at: { toString: 1 } } } }),
    "end",
  ],
  "an error of no shape": [event(POSITION, { queries: { 1: { error: 5 } } }), "end"],
  "a deep error": [event(POSITION, `{"queries":{"1":{"error":${deep(100_000)}}}}`), "end"],
};

/** First messages that continue what is not held. */
const BEGINNINGS = {
  "from elsewhere": { from: "9.9~b", queries: { 1: { patch: [] } } },
  "from a number": { from: 5, queries: { 1: { patch: [] } } },
  "from an object": { from: { toString: 1 }, queries: { 1: { patch: [] } } },
  "from an empty text": { from: "", queries: {} },
  "from nothing, with a patch": {
    from: null,
    queries: { 1: { patch: [{ op: "replace", path: "", value: EVIL }] } },
  },
  "without from, with a patch": {
    queries: { 1: { patch: [{ op: "replace", path: "", value: EVIL }] } },
  },
};

const html = "<!doctype html><title>Sign in</title><p>data: {}\n\ndata: {}\n\n";

/** Answers that are no stream, from the server or from whoever stands before it. */
const ANSWERS = {
  "a page of a captive portal": answer(200, html),
  "an event stream by its words, not by its type": answer(
    200,
    good("1").replace('"one"', '"EVIL"'),
    { "Content-Type": "text/plain" },
  ),
  "no content": ["HTTP/1.1 204 No\r\nConnection: close\r\n\r\n", "end"],
  "a redirect to a page": [
    (socket) =>
      void socket.end("HTTP/1.1 302 So\r\nLocation: /nowhere\r\nContent-Length: 0\r\n\r\n"),
  ],
  "a redirect in a circle": [
    (socket) => void socket.end("HTTP/1.1 307 So\r\nLocation: ?\r\nContent-Length: 0\r\n\r\n"),
  ],
  "a redirect to no address": answer(301, "", { Location: "http://[" }),
  "400 of a proxy": answer(400, html),
  "401 of a proxy": answer(401, html),
  "403 of a proxy": answer(403, html),
  "429 of a proxy": answer(429, html, { "Retry-After": "1" }),
  "503 of a proxy": answer(503, html, { "Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT" }),
  "500 of nobody": answer(500),
  "429 of ours": answer(429, refusal("too_many", "after", { retryAfterMs: 700 })),
  "503 of ours": answer(503, refusal("unavailable", "after", { retryAfterMs: 700 })),
  "400 of ours that wants a snapshot": answer(400, refusal("position_ahead", "resync")),
  "a delay below zero": answer(429, refusal("too_many", "after", { retryAfterMs: -1e9 })),
  "an error that is a list": answer(403, '{"error":["never"]}'),
  "an error that wants what nobody knows": answer(403, refusal("forbidden", "maybe")),
  "an error with a deep part": answer(403, `{"error":${deep(100_000)}}`),
  "a body that is cut": [answer(503, html, { "Content-Length": 100_000 })[0], "end"],
  "words that are no HTTP": ["SSH-2.0-OpenSSH_9.2\r\n", "end"],
  "an end at once": ["end"],
  "a reset at once": ["reset"],
  "half a head": ["HTTP/1.1 200 OK\r\nContent-Ty", "end"],
  "chunks of a wrong length": [
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    "zz\r\n",
    "end",
  ],
  "a compression that is none": [
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n",
    good("1"),
    "end",
  ],
};

/** Every scenario by name: what is answered to a request. */
export const SCENARIOS = new Map();

function add(name, bad) {
  SCENARIOS.set(name, bad);
}

/** Said as the first message, and as a later one. */
function addMessage(name, message) {
  add(`${name}, at first`, (asked) => stream(message(asked.id)));
  add(`${name}, later`, (asked) => stream(good(asked.id), message(asked.id)));
}

const renamed = (text, id) => text.replaceAll('"1":', `"${id}":`);

for (const [name, data] of Object.entries(DATA)) {
  addMessage(`data: ${name}`, (id) => event(POSITION, renamed(data, id)));
}
for (const [name, entry] of Object.entries(ENTRIES)) {
  addMessage(`entry: ${name}`, (id) => event(POSITION, { queries: { [id]: entry } }));
}
for (const [name, entry] of Object.entries(RAW_ENTRIES)) {
  addMessage(`entry: ${name}`, (id) => event(POSITION, `{"queries":{"${id}":${entry}}}`));
}
for (const [name, pieces] of Object.entries(STREAMS)) {
  add(`stream: ${name}, at first`, () => stream(...pieces));
  add(`stream: ${name}, later`, (asked) => stream(good(asked.id), ...pieces));
}
add("stream: no id", () =>
  stream(`data: ${JSON.stringify({ from: null, queries: { 1: { snapshot: EVIL } } })}\n\n`, "end"),
);
for (const [name, data] of Object.entries(BEGINNINGS)) {
  add(`beginning: ${name}`, () => stream(event(POSITION, data)));
  add(`beginning: ${name}, after a cut`, (asked) =>
    asked.from ? stream(event(POSITION, data)) : stream(good(asked.id), "end"),
  );
}
for (const [name, steps] of Object.entries(ANSWERS)) add(`answer: ${name}`, () => steps);
