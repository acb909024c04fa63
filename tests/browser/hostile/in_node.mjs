// The client among hostile bytes, by both ways in which it reads a stream: `fetch`, and EventSource.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { createClient } from "../../../server/browser/client.js";
import { survive } from "./client.mjs";
import { SCENARIOS } from "./scenarios.mjs";
import { createHostileServer, FIRST, LAST } from "./server.mjs";

const { EventSource } = createRequire(import.meta.url)("eventsource"); // by NODE_PATH

const WAYS = { fetch: { EventSource: undefined }, eventsource: { EventSource } };

/** Ten minutes, as the client sees it. */
const LONG_MS = 600_000;

let hostile;
before(async () => {
  hostile = await createHostileServer();
});
after(() => hostile.close());

for (const [way, options] of Object.entries(WAYS)) {
  describe(`by ${way}`, { concurrency: 8 }, () => {
    for (const [name, bad] of SCENARIOS) {
      test(`it gets over ${name}`, async () => {
        const { url, asked } = hostile.run(bad);
        const { shown, state, polluted } = await survive(
          createClient,
          { ...options, url },
          LAST,
          LONG_MS,
        );
        assert.deepEqual(shown.at(-1), LAST, `in the end, ${state}`);
        const before = shown.slice(0, -1);
        for (const value of before) assert.deepEqual(value, FIRST, "nothing else was shown");
        assert.equal(polluted, false);
        for (const { from } of asked) assert.ok(!from || from === "10.1~b", `from ${from}`);
      });
    }
  });
}
