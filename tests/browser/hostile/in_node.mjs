// The client among hostile bytes, by both ways in which it reads a stream: fetch, EventSource.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { createClient } from "../../../server/browser/client.js";
import { eventLengthMax } from "../../../server/browser/client/limits.js";
import { survive, verdict } from "./client.mjs";
import { SCENARIOS } from "./scenarios.mjs";
import { answer, createHostileServer, FIRST, LAST, refusal, stream } from "./server.mjs";

const { EventSource } = createRequire(import.meta.url)("eventsource"); // by NODE_PATH

const WAYS = { fetch: { EventSource: undefined }, eventsource: { EventSource } };

/** Longer than anything takes, on the slowest machine. */
const LONG_MS = 6_000_000;
const html = "<!doctype html><title>Sign in</title>";

let hostile;
before(async () => {
  hostile = await createHostileServer();
});
after(() => hostile.close());

for (const [way, options] of Object.entries(WAYS)) {
  describe(`by ${way}`, { concurrency: 32 }, () => {
    for (const [name, bad] of SCENARIOS) {
      test(`it gets over ${name}`, async () => {
        const { url, asked } = hostile.run(bad);
        const came = await survive(createClient, { ...options, url }, LAST, LONG_MS);
        assert.equal(verdict(came, asked, FIRST, LAST), null);
      });
    }

    // What never ends must not be asked for without end, but at 0, ½, 1½, 3½, 7½, 15½, 31½ s and
    // every 30 s from then, or after half of that where a delay is named: 16 to 25 times in 300 s,
    // of which a slow machine may need a hundred for the first. An EventSource that is refused asks
    // twice.
    const never = {
      "a page instead of a stream": answer(200, html),
      "a refusal by a proxy": answer(403, html),
      "a delay of nothing": answer(429, refusal("too_many", "after", { retryAfterMs: 0 })),
      "a delay below zero": answer(429, refusal("too_many", "after", { retryAfterMs: -1e9 })),
      "a delay longer than timers know": answer(
        429,
        refusal("too_many", "after", { retryAfterMs: 1e10 }),
      ),
      "a delay without end": answer(
        429,
        refusal("too_many", "after", { retryAfterMs: 0 }).replace(
          '"retryAfterMs":0',
          '"retryAfterMs":1e999',
        ),
      ),
      "a wish for a snapshot": answer(400, refusal("position_ahead", "resync")),
      "messages that cannot be read": stream("id: 1.1~b\ndata: {\n\n"),
      "an end at once": ["end"],
    };
    for (const [name, steps] of Object.entries(never)) {
      test(`it does not spin on ${name}`, async () => {
        const { url, asked } = hostile.run(() => steps, Infinity);
        // On a machine that stood still nobody asked anything.
        while (asked.length === 0) {
          const { shown } = await survive(createClient, { ...options, url }, LAST, 300_000);
          assert.deepEqual(shown, []);
        }
        assert.ok(asked.length <= 2 * 28, `${asked.length} requests in 300 s`);
      });
    }

    // By a clock that is right: on a fast one, a slow machine's answer is a silence.
    test("it stops when it is told never, and says so", async () => {
      const { url, asked } = hostile.run(
        () => answer(403, refusal("forbidden", "never")),
        Infinity,
      );
      const came = await survive(createClient, { ...options, url }, LAST, 60_000, 1);
      const { errors, shown, state } = came;
      assert.deepEqual([errors, shown, state], [["forbidden never"], [], "closed"]);
      assert.equal(asked.length, way === "fetch" ? 1 : 2);
    });
  });
}

test("a line without end is given up, and what was read of it let go", async () => {
  const piece = Buffer.alloc(1 << 20, "x");
  let written = 0;
  const { url, asked } = hostile.run(function* () {
    yield* stream("id: 11.1~b\ndata: ");
    for (; written < 2 * eventLengthMax; written += piece.length) yield piece;
  }, 1);
  const options = { url, EventSource: undefined };
  const came = await survive(createClient, options, LAST, 60_000, 1);
  assert.equal(verdict(came, asked, FIRST, LAST), null);
  assert.ok(written < 1.5 * eventLengthMax, `it took ${written} bytes`);
});
