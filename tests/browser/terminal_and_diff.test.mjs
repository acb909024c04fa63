import assert from "node:assert/strict";
import { test } from "node:test";
import { wordsOf } from "../../server/browser/elements/activity_words.js";
import { Ansi } from "../../server/browser/elements/ansi.js";
import { hueOf, initials } from "../../server/browser/elements/avatar.js";
import { diffLines } from "../../server/browser/elements/diff_lines.js";

const shown = (...pieces) => {
  const ansi = new Ansi();
  return pieces.flatMap((piece) => ansi.feed(piece));
};
const plain = (runs) => runs.map(({ text }) => text).join("");

test("colours and weights are looks, and end where they are reset", () => {
  const runs = shown("a\x1b[1;31mb\x1b[39mc\x1b[0md\x1b[38;5;2me\x1b[38;2;1;2;3mf\x1b[44mg");
  assert.deepEqual(
    runs.map(({ text, look }) => [text, look]),
    [["a", ""], ["b", "red bold"], ["c", "bold"], ["d", ""], ["e", "green"], ["f", ""], ["g", "on-blue"]],
  );
});

test("what comes cut anywhere is what comes whole", () => {
  const text = "x\x1b[32mgreen\x1b[0m\x1b]0;title\x07 y\r\nz\x1b[2K\x1b[1A\x1b(B!\x1b]8;;http://a\x1b\\link";
  const merged = (runs) => {
    const all = [];
    for (const { text, look } of runs) {
      if (all.at(-1)?.look === look) all.at(-1).text += text;
      else all.push({ text, look });
    }
    return all;
  };
  const whole = merged(shown(text));
  assert.equal(plain(whole), "xgreen y\nz!link");
  for (let at = 0; at <= text.length; at += 1) {
    assert.deepEqual(merged(shown(text.slice(0, at), text.slice(at))), whole, String(at));
  }
  assert.deepEqual(merged(shown(...text)), whole);
});

test("a carriage return alone begins its line again", () => {
  assert.deepEqual(
    shown("10%\r20%\r\n").map(({ text, restart }) => [text, restart]),
    [["10%", false], ["20%\n", true]],
  );
});

test("an escape sequence without an end does not hold its text for ever", () => {
  const ansi = new Ansi();
  ansi.feed(`\x1b]${"x".repeat(5_000)}`);
  assert.equal(plain(ansi.feed("seen")), "seen");
});

test("lines of a diff have the numbers of the file that they are of", () => {
  const diff = "--- a\n+++ b\n@@ -3,3 +3,4 @@ f\n one\n-two\n+2\n+2.5\n three\n\\ No newline at end of file\n";
  assert.deepEqual(
    diffLines(diff).map(({ kind, number }) => [kind, number]),
    [
      ["about", null], ["about", null], ["hunk", null], ["same", 3], ["removed", 4],
      ["added", 4], ["added", 5], ["same", 6], ["about", null],
    ],
  );
  assert.equal(diffLines("@@ -1 +1 @@\n--- a\n")[1].text, "-- a"); // a line, not a heading
});

test("after a part that was left out, lines have no numbers until the next hunk", () => {
  const lines = diffLines("@@ -1,9 +1,9 @@\n a\n[1,234 characters left out]\n+b\n@@ -20 +20 @@\n+c\n");
  assert.deepEqual(
    lines.map(({ number }) => number),
    [null, 1, null, null, null, 20],
  );
  assert.deepEqual(diffLines(""), []);
});

test("initials and hues are a person's own, whatever the name", () => {
  assert.deepEqual(
    ["Ada Lovelace", "grace", "Jean-Luc van den Berg", "李明", "  ", "👋"].map(initials),
    ["AL", "G", "JB", "李", "?", "?"],
  );
  assert.equal(hueOf("ada"), hueOf("ada"));
  assert.ok(new Set(Array.from({ length: 200 }, (_, n) => hueOf(`u${n}`))).size === 24);
});

test("an activity says what was done, and to what", () => {
  const said = (activityType, metadata) => Object.values(wordsOf({ activityType, metadata })).join("|");
  assert.equal(said("user-joined"), "joined|");
  assert.equal(said("file-saved", { path: "a.py" }), "saved|a.py");
  assert.equal(said("deployed_to.staging", { odd: {} }), "deployed to staging|");
  assert.equal(said("x", { path: {}, title: 7 }), "x|7");
});
