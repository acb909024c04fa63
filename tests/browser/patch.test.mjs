import assert from "node:assert/strict";
import { test } from "node:test";
import { applyPatch, PatchError } from "../../server/browser/client/patch.js";

const messages = () => [
  { _id: "a", parts: [{ type: "text", text: "One" }] },
  { _id: "b", parts: [{ type: "text", text: "Two" }], usage: { total: 1 } },
];

const cases = [
  ["add a member", { a: 1 }, [{ op: "add", path: "/b", value: 2 }], { a: 1, b: 2 }],
  ["add over a member", { a: 1 }, [{ op: "add", path: "/a", value: 2 }], { a: 2 }],
  ["add before an item", [1, 3], [{ op: "add", path: "/1", value: 2 }], [1, 2, 3]],
  ["add at the length", [1], [{ op: "add", path: "/1", value: 2 }], [1, 2]],
  ["add at the end", [1], [{ op: "add", path: "/-", value: 2 }], [1, 2]],
  ["add null", {}, [{ op: "add", path: "/a", value: null }], { a: null }],
  ["add the whole", 1, [{ op: "add", path: "", value: [2] }], [2]],
  ["remove a member", { a: 1, b: 2 }, [{ op: "remove", path: "/a" }], { b: 2 }],
  ["remove an item", [1, 2, 3], [{ op: "remove", path: "/1" }], [1, 3]],
  [
    "replace deeply",
    { a: [{ b: 1 }] },
    [{ op: "replace", path: "/a/0/b", value: 2 }],
    { a: [{ b: 2 }] },
  ],
  ["replace the whole", { a: 1 }, [{ op: "replace", path: "", value: null }], null],
  ["move an item forward", [1, 2, 3], [{ op: "move", from: "/0", path: "/2" }], [2, 3, 1]],
  ["move an item back", [1, 2, 3], [{ op: "move", from: "/2", path: "/0" }], [3, 1, 2]],
  [
    "move between containers",
    { a: [1], b: {} },
    [{ op: "move", from: "/a/0", path: "/b/c" }],
    { a: [], b: { c: 1 } },
  ],
  [
    "move to a name that begins like its own",
    { a: 1 },
    [{ op: "move", from: "/a", path: "/ab" }],
    { ab: 1 },
  ],
  ["append", { t: "Head" }, [{ op: "append", path: "/t", value: "water" }], { t: "Headwater" }],
  ["append to the whole", "a", [{ op: "append", path: "", value: "b" }], "ab"],
  [
    "escaped names",
    { "a/b": 1, "m~n": 2 },
    [
      { op: "replace", path: "/a~1b", value: 3 },
      { op: "replace", path: "/m~0n", value: 4 },
    ],
    { "a/b": 3, "m~n": 4 },
  ],
  ["~01 is ~1, not a slash", { "~1": 1 }, [{ op: "replace", path: "/~01", value: 2 }], { "~1": 2 }],
  ["an empty name", { "": 1 }, [{ op: "replace", path: "/", value: 2 }], { "": 2 }],
  [
    "a number as a member's name",
    { 0: "a" },
    [{ op: "append", path: "/0", value: "b" }],
    { 0: "ab" },
  ],
  [
    "operations in order",
    { a: [] },
    [
      { op: "add", path: "/a/-", value: "x" },
      { op: "append", path: "/a/0", value: "y" },
    ],
    { a: ["xy"] },
  ],
];

for (const [name, value, operations, expected] of cases) {
  test(`applies: ${name}`, () => {
    const before = structuredClone(value);
    assert.deepEqual(applyPatch(value, operations), expected);
    assert.deepEqual(value, before, "the value itself was modified");
  });
}

const misfits = [
  ["no list", {}, { op: "add" }],
  ["no operation", {}, [null]],
  ["a list as an operation", {}, [[]]],
  ["no op", {}, [{ path: "/a", value: 1 }]],
  ["an unknown op", {}, [{ op: "push", path: "/a", value: 1 }]],
  ["no path", {}, [{ op: "add", value: 1 }]],
  ["a path that is no string", {}, [{ op: "add", path: 1, value: 1 }]],
  ["a path without its slash", { a: 1 }, [{ op: "remove", path: "a" }]],
  ["a bad escape", { "~2": 1 }, [{ op: "remove", path: "/~2" }]],
  ["a bare escape at the end", { "~": 1 }, [{ op: "remove", path: "/~" }]],
  ["add without a value", {}, [{ op: "add", path: "/a" }]],
  ["replace without a value", { a: 1 }, [{ op: "replace", path: "/a" }]],
  ["append without a value", { a: "" }, [{ op: "append", path: "/a" }]],
  ["test, which the protocol does not use", { a: 1 }, [{ op: "test", path: "/a", value: 1 }]],
  ["copy, which the protocol does not use", { a: 1 }, [{ op: "copy", from: "/a", path: "/b" }]],
  ["move without from", { a: 1 }, [{ op: "move", path: "/b" }]],
  ["move from nowhere", { a: 1 }, [{ op: "move", from: "/x", path: "/b" }]],
  ["move from nowhere to nowhere", { a: 1 }, [{ op: "move", from: "/x", path: "/x" }]],
  ["move into itself", { a: { b: 1 } }, [{ op: "move", from: "/a", path: "/a/c" }]],
  ["remove what is not there", {}, [{ op: "remove", path: "/a" }]],
  ["remove the whole", {}, [{ op: "remove", path: "" }]],
  ["remove past the end", [1], [{ op: "remove", path: "/1" }]],
  ["remove at the end mark", [1], [{ op: "remove", path: "/-" }]],
  ["replace what is not there", {}, [{ op: "replace", path: "/a", value: 1 }]],
  ["replace at the length", [1], [{ op: "replace", path: "/1", value: 1 }]],
  ["replace an inherited member", {}, [{ op: "replace", path: "/toString", value: 1 }]],
  ["add past the length", [1], [{ op: "add", path: "/2", value: 1 }]],
  ["add under what is not there", {}, [{ op: "add", path: "/a/b", value: 1 }]],
  ["an index with a leading zero", [1, 2], [{ op: "remove", path: "/01" }]],
  ["an index below zero", [1], [{ op: "remove", path: "/-1" }]],
  ["an index that is a name", [1], [{ op: "replace", path: "/length", value: 0 }]],
  ["a path through text", { a: "x" }, [{ op: "add", path: "/a/b", value: 1 }]],
  ["a path through null", { a: null }, [{ op: "add", path: "/a/b", value: 1 }]],
  ["append to a number", { a: 1 }, [{ op: "append", path: "/a", value: "x" }]],
  ["append of a number", { a: "x" }, [{ op: "append", path: "/a", value: 1 }]],
  ["append to nothing", {}, [{ op: "append", path: "/a", value: "x" }]],
  [
    "a misfit after a fit",
    { a: 1 },
    [
      { op: "replace", path: "/a", value: 2 },
      { op: "remove", path: "/b" },
    ],
  ],
];

for (const [name, value, operations] of misfits) {
  test(`throws and changes nothing: ${name}`, () => {
    const before = structuredClone(value);
    assert.throws(() => applyPatch(value, operations), PatchError);
    assert.deepEqual(value, before);
  });
}

test("what a patch does not touch stays the same object", () => {
  const before = messages();
  const after = applyPatch(before, [{ op: "append", path: "/1/parts/0/text", value: "!" }]);
  assert.notEqual(after, before);
  assert.equal(after[0], before[0]);
  assert.equal(after[1].usage, before[1].usage);
  assert.notEqual(after[1].parts, before[1].parts);
  assert.equal(before[1].parts[0].text, "Two");
});

test("moving an item keeps every item the same object", () => {
  const before = messages();
  const after = applyPatch(before, [{ op: "move", from: "/1", path: "/0" }]);
  assert.deepEqual(
    after.map((one) => before.indexOf(one)),
    [1, 0],
  );
});

test("a patch that changes nothing returns the value itself", () => {
  const before = messages();
  const operations = [
    { op: "replace", path: "/0/_id", value: "a" },
    { op: "append", path: "/0/parts/0/text", value: "" },
    { op: "move", from: "/1", path: "/1" },
  ];
  assert.equal(applyPatch(before, operations), before);
  assert.equal(applyPatch(before, []), before);
});

test("a member named __proto__ is data", () => {
  const after = applyPatch({}, [{ op: "add", path: "/__proto__", value: { admin: true } }]);
  assert.equal(Object.getPrototypeOf(after), Object.prototype);
  assert.equal(after.admin, undefined);
  assert.equal(JSON.stringify(after), '{"__proto__":{"admin":true}}');
  assert.throws(() => applyPatch({}, [{ op: "add", path: "/__proto__/x", value: 1 }]), PatchError);
  assert.equal(JSON.stringify(applyPatch(after, [{ op: "remove", path: "/__proto__" }])), "{}");
});

test("what does not fit may be of any depth", () => {
  const depth = 200_000;
  const deep = JSON.parse("[".repeat(depth) + "]".repeat(depth));
  for (const operations of [
    deep,
    [{ op: "nonsense", path: "/0", value: deep }],
    [{ op: { toString: 1 }, path: { toString: 1 } }],
    [{ op: "add", path: "/0".repeat(depth), value: 1 }],
  ]) {
    assert.throws(() => applyPatch(deep, operations), PatchError);
  }
});
