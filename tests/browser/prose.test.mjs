import assert from "node:assert/strict";
import { test } from "node:test";
import { parseBlocks, parseRuns } from "../../server/browser/elements/markdown.js";

// As much of a document as the page's own element maker and Prose use.
class FakeNode {
  parentNode = null;
  remove() {
    this.parentNode?.removeChild(this);
  }
}
class FakeText extends FakeNode {
  appended = 0;
  constructor(data) {
    super();
    this.data = data;
  }
  get length() {
    return this.data.length;
  }
  appendData(more) {
    this.appended += 1;
    this.data += more;
  }
  get html() {
    return this.data.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  }
}
class FakeElement extends FakeNode {
  children = [];
  dataset = {};
  className = "";
  constructor(tag) {
    super();
    this.tag = tag;
  }
  get parentElement() {
    return this.parentNode;
  }
  hasChildNodes() {
    return this.children.length > 0;
  }
  append(...children) {
    for (const child of children) {
      const node = typeof child === "string" ? new FakeText(child) : child;
      node.remove();
      node.parentNode = this;
      this.children.push(node);
    }
  }
  removeChild(child) {
    this.children.splice(this.children.indexOf(child), 1);
    child.parentNode = null;
  }
  replaceWith(other) {
    const { parentNode } = this;
    parentNode.children[parentNode.children.indexOf(this)] = other;
    other.parentNode = parentNode;
    this.parentNode = null;
  }
  get html() {
    const { href, value, dataset } = this;
    const attributes = JSON.stringify({ href, value, ...dataset });
    return `<${this.tag} ${attributes}>${this.children.map((child) => child.html).join("")}</${this.tag}>`;
  }
}
globalThis.Text = FakeText;
globalThis.document = {
  createElement: (tag) => new FakeElement(tag),
  createTextNode: (text) => new FakeText(text),
};
const { Prose } = await import("../../server/browser/elements/prose.js");

function render(text) {
  const prose = new Prose();
  prose.update({ text });
  return prose.element.html;
}

// Seeded, so that a failure can be met again.
function createRandom(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
}

const pieces = [
  "word ",
  "two words",
  "\n",
  "\n\n",
  "\n",
  "- ",
  "  - ",
  "* ",
  "1. ",
  "   2) ",
  "# ",
  "### ",
  "> ",
  "---",
  "***",
  "```",
  "```py\n",
  "\n```\n",
  "   ```\n",
  "**",
  "*",
  "_",
  "`",
  "``",
  "[a](https://x.y/z)",
  "https://x.y.",
  "\t",
  " ",
  "\r\n",
  "~~~\n",
  "<b>",
  "é",
];

test("text that grew shows what the same text shows at once, however it was cut", () => {
  for (let seed = 1; seed <= 1500; seed += 1) {
    const random = createRandom(seed);
    const text = Array.from({ length: 4 + random(40) }, () => pieces[random(pieces.length)]).join(
      "",
    );
    const prose = new Prose();
    for (let end = 0; end < text.length;) {
      end = Math.min(text.length, end + 1 + random(6));
      prose.update({ text: text.slice(0, end) });
      assert.equal(
        prose.element.html,
        render(text.slice(0, end)),
        `seed ${seed}: ${JSON.stringify(text.slice(0, end))}`,
      );
    }
  }
});

test("a text that is replaced by another shows the other", () => {
  const prose = new Prose();
  for (const text of [
    "# One\n\n- a\n- b",
    "two",
    "",
    "```\ncode\n```\nafter",
    "# One\n\n- a\n- c\n  1. d",
  ]) {
    prose.update({ text });
    assert.equal(prose.element.html, render(text));
  }
});

test("a letter that is added is appended to its text node, and nothing else is touched", () => {
  for (const text of [
    "# A\n\nfirst\n\nlast",
    "- a\n- last",
    "```js\nlast",
    "a **b** last",
    "> last",
  ]) {
    const prose = new Prose();
    prose.update({ text });
    const nodes = (node) => [node, ...(node.children ?? []).flatMap(nodes)];
    const before = nodes(prose.element);
    prose.update({ text: `${text}!` });
    const after = nodes(prose.element);
    assert.equal(after.length, before.length);
    after.forEach((node, index) => assert.equal(node, before[index]));
    assert.deepEqual(
      after.filter((node) => node.appended).map((node) => node.data.at(-1)),
      ["!"],
    );
  }
});

test("blocks", () => {
  const kinds = (text) =>
    parseBlocks(text).map(({ kind, ...rest }) => [
      kind,
      rest.text ?? rest.items?.map((item) => item.text),
    ]);
  assert.deepEqual(kinds("a\nb\n\nc"), [
    ["paragraph", "a\nb"],
    ["paragraph", "c"],
  ]);
  assert.deepEqual(kinds("a\n- b\n  more\n- c\n\nd"), [
    ["paragraph", "a"],
    ["list", ["b\nmore", "c"]],
    ["paragraph", "d"],
  ]);
  assert.deepEqual(kinds("1. a\n\n2. b"), [["list", ["a", "b"]]]);
  assert.deepEqual(kinds("```py\n# no heading\n\n- no list\n```\nafter"), [
    ["code", "# no heading\n\n- no list"],
    ["paragraph", "after"],
  ]);
  assert.deepEqual(kinds("````\n```\n````"), [["code", "```"]]);
  assert.deepEqual(kinds("```\n\n\n"), [["code", "\n"]]);
  assert.deepEqual(kinds("1. a\n   ```\n   b\n     c\n   ```"), [
    ["list", ["a"]],
    ["code", "b\n  c"],
  ]);
  assert.deepEqual(kinds("> a\n> b"), [["quote", "a\nb"]]);
  assert.deepEqual(kinds("a\n\n---\n\n#hashtag"), [
    ["paragraph", "a"],
    ["rule", undefined],
    ["paragraph", "#hashtag"],
  ]);
});

test("runs", () => {
  const shown = (text) => {
    const show = (run) =>
      run.runs
        ? `${run.kind}(${run.runs.map(show).join("")})`
        : run.kind === "text"
          ? run.text
          : `code(${run.text})`;
    return parseRuns(text).map(show).join("");
  };
  assert.equal(
    shown("a **b `c`** *d* _e_ `f*g*`"),
    "a strong(b code(c)) emphasis(d) emphasis(e) code(f*g*)",
  );
  assert.equal(
    shown("2 * 3 * 4, snake_case_name, a*b*c, **open"),
    "2 * 3 * 4, snake_case_name, a*b*c, **open",
  );
  assert.equal(shown("see https://x.y/z."), "see link(https://x.y/z).");
});

test("markup in the text stays text, and links lead to the web only", () => {
  const html = render(
    '<img src=x onerror=alert(1)> **<script>** `<b>`\n\n```"><script>\n<script>alert(1)</script>',
  );
  assert.ok(!/<(?:img|script|b)[ >]/.test(html), html);
  assert.ok(!render("[x](javascript:alert(1)) [y](data:text/html,x) [z](//evil)").includes("<a "));
  assert.ok(render("[x](https://good)").includes('<a {"href":"https://good"}>'));
});
