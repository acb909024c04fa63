// A program of somebody else's reads our event streams; what it makes of them is the database's.
//
//     node follow.mjs <how> <sync|live> <url to follow> <url to write> <task id> <times back>
//
// Writes texts that could upset a reader's framing, folds what it is told, and ends when that is
// what the server answers when it is asked, and it came back after a cut as often as it should.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { applyPatch } from "../../../server/browser/client/patch.js";

const require = createRequire(import.meta.url); // finds packages by NODE_PATH
const [how, endpoint, followed, written, taskId, back] = process.argv.slice(2);

const TEXTS = [
  "one\ntwo\n\nthree",
  "one\rtwo\r\nthree\r\r",
  '\n\ndata: {"queries": {}}\n\n',
  "id: 9.9~evil\ndata: x",
  ": comment\nretry: 1\nevent: message",
  "line\u2028separator\u2029paragraph\u0085next\v\f",
  "\uFEFFbyte order mark",
  "nul \u0000 and escape \u001b[31m",
  "emoji 👩🏽‍🚀🇨🇭 and é as e\u0301, 漢字",
  'backslashes \\ \\n \\u0041 and "quotes" </script>',
  "long ".repeat(6_000),
];

const queries = {
  m: { function: "messages.byTask", args: { taskId } },
  o: { function: "terminalOutput.byTask", args: { taskId } },
  t: { function: "tasks.list", args: {} },
};
const asked =
  endpoint === "live"
    ? { args: JSON.stringify(queries.o.args) }
    : { queries: JSON.stringify(Object.entries(queries).map(([id, query]) => ({ id, ...query }))) };
const path = endpoint === "live" ? `live/${queries.o.function}` : "sync";
const url = `${followed}/api/${path}?${new URLSearchParams(asked)}`;

const values = {};
const told = { messages: 0, snapshots: 0, patches: 0, continued: 0 };
let position = null;
let heard = Promise.withResolvers();

/** One message, as the stranger understood it. */
function take(data, id) {
  const parsed = JSON.parse(data);
  const { queries: changes, from } = endpoint === "live" ? { queries: { o: parsed } } : parsed;
  told.messages += 1;
  if (from) {
    assert.equal(from, position, "it continues what is held");
    told.continued += 1;
  }
  for (const [key, change] of Object.entries(changes)) {
    if ("snapshot" in change) {
      told.snapshots += 1;
      values[key] = change.snapshot;
    } else {
      assert.ok("patch" in change, JSON.stringify(change));
      told.patches += 1;
      values[key] = applyPatch(values[key], change.patch);
    }
  }
  position = id;
  heard.resolve();
  heard = Promise.withResolvers();
}

const strangers = {
  /** npm eventsource; it comes back by itself after `retry`, naming the last event that it had. */
  eventsource() {
    const { EventSource } = require("eventsource");
    // The server names no delay, and the package's own is three seconds.
    const hasty = async (input, init) => {
      const response = await fetch(input, init);
      async function* hurry() {
        yield new TextEncoder().encode("retry: 10\n\n");
        yield* response.body;
      }
      return new Response(ReadableStream.from(hurry()), response);
    };
    const events = new EventSource(url, { fetch: hasty });
    events.onopen = () => {
      if (endpoint === "live" && position) told.continued += 1; // it does not say `from`
    };
    events.onmessage = ({ data, lastEventId }) => take(data, lastEventId);
    return () => events.close();
  },

  /** npm eventsource-parser, fed by fetch. */
  parser() {
    const { createParser } = require("eventsource-parser");
    const reading = new AbortController();
    const parser = createParser({
      onEvent: ({ data, id, event }) => {
        assert.equal(event, undefined);
        take(data, id);
      },
      onError: (error) => assert.fail(error),
    });
    (async () => {
      const response = await fetch(url, { signal: reading.signal });
      assert.equal(response.status, 200);
      const decoder = new TextDecoder();
      for await (const piece of response.body) parser.feed(decoder.decode(piece, { stream: true }));
    })().catch((error) => {
      if (!reading.signal.aborted) throw error;
    });
    return () => reading.abort();
  },

  /** What `curl -N` prints, read as the lines that a person sees: no event has more than one. */
  curl() {
    const stdio = ["ignore", "pipe", "inherit"];
    const curl = spawn("curl", ["--silent", "--no-buffer", url], { stdio });
    process.once("exit", () => curl.kill());
    let rest = "";
    let id;
    curl.stdout.setEncoding("utf8").on("data", (piece) => {
      const lines = (rest + piece).split("\n");
      rest = lines.pop();
      for (const line of lines) {
        if (line.startsWith("id: ")) id = line.slice(4);
        else if (line.startsWith("data: ")) take(line.slice(6), id);
        else assert.ok(line === "" || line.startsWith(":"), JSON.stringify(line));
      }
    });
    return () => curl.kill();
  },
};

async function call(kind, name, args) {
  const response = await fetch(`${written}/api/${kind}/${name}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(args),
  });
  const body = await response.json();
  assert.ok(response.ok, JSON.stringify(body));
  return body.value;
}

const awake = setInterval(() => {}, 1_000); // eventsource lets Node end while it waits
const close = strangers[how]();
await heard.promise;
const reply = call("action", "streaming.streamChat?wait=true", { taskId, prompt: TEXTS.join("") });
for (const text of TEXTS) {
  await call("mutation", "tasks.create", { title: text.slice(0, 200) });
  await call("mutation", "terminalOutput.append", { taskId, stream: "stdout", text });
}
await reply;
while (told.continued < Number(back)) {
  await call("mutation", "terminalOutput.append", { taskId, stream: "stdout", text: "still here" });
  await pause(20);
}
for (const key of Object.keys(values)) {
  const fresh = await call("query", queries[key].function, queries[key].args);
  const late = pause(60_000, undefined, { ref: false }).then(() => "late");
  while (!isDeepStrictEqual(values[key], fresh)) {
    const news = heard.promise.then(() => "news");
    if ((await Promise.race([news, late])) === "late") assert.deepEqual(values[key], fresh);
  }
}
close();
clearInterval(awake);
const text = values.m?.at(-1).parts[0].text ?? null;
console.log(JSON.stringify({ ...told, keys: Object.keys(values).length, text }));
