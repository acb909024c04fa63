import assert from "node:assert/strict";
import { test } from "node:test";
import { createEventStreamParser } from "../../server/browser/client/event_stream.js";

function parse(...pieces) {
  const messages = [];
  const parser = createEventStreamParser((data, id) => messages.push([data, id]));
  pieces.forEach(parser);
  return messages;
}

const stream =
  ": hello\nretry: 10\nid: 1\ndata: one\n\nid:2\r\ndata:two\r\ndata:  lines\r\n\r\nevent: ping\ndata: x\n\n" +
  "data\n\nid: 3\n\nid: bad\0\rdata: four: colons\r\rdata: unfinished\n";
const expected = [
  ["one", "1"],
  ["two\n lines", "2"],
  ["", "2"],
  ["four: colons", "3"],
];

test("fields, comments, line ends and ids are read as the standard says", () => {
  assert.deepEqual(parse(stream), expected);
});

test("where the stream is cut makes no difference", () => {
  assert.deepEqual(parse(...stream), expected);
  for (let cut = 0; cut <= stream.length; cut += 1) {
    assert.deepEqual(parse(stream.slice(0, cut), stream.slice(cut)), expected, `cut at ${cut}`);
  }
});

test("an event that the stream's end cuts off is not delivered", () => {
  assert.deepEqual(parse("data: whole\n\ndata: half"), [["whole", ""]]);
});
