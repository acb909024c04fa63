import assert from "node:assert/strict";
import { test } from "node:test";
import { citedText, Sources } from "../../server/browser/elements/citations.js";
import { isResumable } from "../../server/browser/client/documents.js";
import { callState, factsOf, noteOf } from "../../server/browser/elements/message_words.js";

const reply = (fields) => ({ role: "assistant", parts: [], ...fields });

test("what was cut can go on, what is complete, running or refused cannot", () => {
  const can = [
    { status: "INTERRUPTED" },
    { status: "CANCELLED", finishReason: "cancelled" },
    { status: "FAILED", finishReason: "error" },
    { status: "COMPLETED", finishReason: "max_tokens" },
    { status: "COMPLETED", finishReason: "max_steps" },
  ];
  const cannot = [
    { status: "PENDING" },
    { status: "STREAMING" },
    { status: "COMPLETED", finishReason: "end_turn" },
    { status: "FAILED", finishReason: "refusal" },
    { status: "COMPLETED", role: "user" },
    { status: "INTERRUPTED", role: "user" },
  ];
  for (const fields of can) assert.equal(isResumable(reply(fields)), true, JSON.stringify(fields));
  for (const fields of cannot) {
    assert.equal(isResumable(reply(fields)), false, JSON.stringify(fields));
  }
});

test("a pause before another attempt is counted down, unless clocks disagree", () => {
  const note = (at, code = "claude_overloaded") =>
    noteOf(reply({ status: "PENDING", retrying: { attempt: 1, code, at } }), false, 10_000);
  assert.equal(note(12_500), "Claude is overloaded; trying again in 3 s.");
  assert.equal(note(9_000), "Claude is overloaded; trying again.");
  assert.equal(note(10_000_000), "Claude is overloaded; trying again.");
  assert.equal(note(11_000, "else"), "Claude could not answer; trying again in 1 s.");
});

test("one that waits for its turn says so, one that has ended says how", () => {
  assert.equal(noteOf(reply({ status: "PENDING" }), true, 0), "Waiting for its turn.");
  assert.equal(noteOf(reply({ status: "PENDING" }), false, 0), "");
  assert.equal(noteOf(reply({ status: "CANCELLED" }), false, 0), "Stopped.");
  const error = { code: "claude_failed", message: "It broke." };
  assert.equal(noteOf(reply({ status: "FAILED", error }), false, 0), "It broke.");
});

test("what a reply took: cached and thinking tokens, whether it was counted to its end", () => {
  const usage = {
    promptTokens: 1200,
    completionTokens: 80,
    cacheReadTokens: 1000,
    thinkingTokens: 30,
    final: false,
  };
  const facts = factsOf(reply({ model: "claude-x", usage, finishReason: "max_tokens" }));
  const said = facts.replace(/\D(?=\d{3})/g, "");
  assert.equal(
    said,
    "claude-x · 1200 tokens in (1000 cached) · 80 out (30 thinking) · not final · max tokens",
  );
  const plain = { promptTokens: 3, completionTokens: 4, cacheReadTokens: 0, final: true };
  assert.equal(factsOf(reply({ usage: plain, finishReason: "end_turn" })), "3 tokens in · 4 out");
  assert.equal(factsOf(reply({ usage: { promptTokens: 0, completionTokens: 0 } })), "");
});

test("a call says who is waited for, and how long it took", () => {
  const state = (call, runs = true) => callState(call, runs);
  assert.equal(state(undefined), "Being written");
  assert.equal(state(undefined, false), "Not run");
  const pending = { status: "PENDING", runsOn: "server" };
  assert.equal(state({ ...pending, approval: "required" }), "Waiting for approval");
  assert.equal(state({ ...pending, runsOn: "executor" }), "Waiting for an executor");
  assert.equal(state(pending), "About to run");
  assert.equal(state(pending, false), "Waiting for the reply to go on");
  assert.equal(state({ status: "RUNNING", executor: "laptop" }), "Running on laptop");
  const times = { startedAt: 1000, completedAt: 1042 };
  assert.equal(state({ status: "COMPLETED", ...times }), "Done in 42 ms");
  assert.match(state({ status: "FAILED", ...times, completedAt: 3540 }), /^Failed in 2.5 s$/);
  assert.equal(state({ status: "FAILED", approval: "denied" }), "Denied");
});

test("a source has one number however often it is cited, and its address ends no link", () => {
  const sources = new Sources();
  const url = "https://example.com/sky_(blue)";
  const sky = { type: "web_search_result_location", url, title: "Skies", cited_text: "Blue." };
  const book = { type: "char_location", document_title: "Grass", cited_text: "Green." };
  const text = (text, ...citations) => citedText({ type: "text", text, citations }, sources);
  assert.equal(text("Blue", sky, sky), "Blue[¹](https://example.com/sky_%28blue%29)");
  assert.equal(text(", green", book), ", green²");
  assert.equal(text(", blue", sky), ", blue[¹](https://example.com/sky_%28blue%29)");
  assert.equal(text("."), ".");
  assert.deepEqual(
    sources.list.map(({ title }) => title),
    ["Skies", "Grass"],
  );
});

test("only an address of the web becomes a link", () => {
  const sources = new Sources();
  const citations = [{ url: "javascript:alert(1)", title: "Trap" }];
  assert.equal(citedText({ type: "text", text: "a", citations }, sources), "a¹");
  assert.equal(sources.list[0].href, "");
});
