// @ts-check
/**
 * Markdown text on the page, which may grow.
 *
 * An update touches what changed: a letter that is added to a paragraph is added to its last text
 * node. So a reader's selection stays, and a long reply costs no more per word than a short one.
 */

import { element, growText } from "./dom.js";
import { parseBlocks, parseRuns } from "./markdown.js";

/** @import { Block, ListItem, Run } from "./markdown.js" */

/** @typedef {{ element: HTMLElement, update: (block: any) => void }} BlockView */

export class Prose {
  element = element("div", "prose");
  #text = "";
  /** @type {Block[]} */
  #blocks = [];
  /** @type {BlockView[]} */
  #views = [];

  /** @param {{ text: string }} part */
  update({ text }) {
    if (text === this.#text) return;
    const kept = text.startsWith(this.#text) ? Math.max(0, this.#blocks.length - 2) : 0;
    const blocks = parseBlocks(text, this.#blocks[kept]?.start ?? 0);
    blocks.forEach((block, index) => this.#place(block, kept + index));
    this.#blocks.splice(kept, Infinity, ...blocks);
    for (const view of this.#views.splice(this.#blocks.length)) view.element.remove();
    this.#text = text;
  }

  /**
   * @param {Block} block
   * @param {number} index
   */
  #place(block, index) {
    const before = this.#blocks[index];
    let view = this.#views[index];
    if (!view || !before || formOf(before) !== formOf(block)) {
      const next = createBlockView(block);
      if (view) view.element.replaceWith(next.element);
      else this.element.append(next.element);
      this.#views[index] = view = next;
    }
    view.update(block);
  }
}

/**
 * Blocks of one form can share an element.
 * @param {Block} block
 */
function formOf(block) {
  if (block.kind === "heading") return `heading ${block.level}`;
  return block.kind === "code" ? `code ${block.language}` : block.kind;
}

/**
 * @param {Block} block
 * @returns {BlockView}
 */
function createBlockView(block) {
  switch (block.kind) {
    case "code":
      return new CodeView(block.language);
    case "list":
      return new ListView();
    case "rule":
      return { element: element("hr"), update() {} };
    case "quote":
      return new RunsView(element("blockquote"));
    case "heading":
      // The page's own title is the first level.
      return new RunsView(element(block.level === 1 ? "h2" : block.level === 2 ? "h3" : "h4"));
    case "paragraph":
      return new RunsView(element("p"));
  }
}

class CodeView {
  #text = document.createTextNode("");

  /** @param {string} language */
  constructor(language) {
    this.element = element("pre", "", element("code", "", this.#text));
    this.element.tabIndex = 0;
    if (language) this.element.dataset.language = language;
  }

  /** @param {{ text: string }} block */
  update({ text }) {
    growText(this.#text, text);
  }
}

/** Inline runs in one element. */
class RunsView {
  /** @type {Run[]} */
  #runs = [];
  /** @type {Node[]} */
  #nodes = [];

  /** @param {HTMLElement} holder */
  constructor(holder) {
    this.element = holder;
  }

  /** @param {{ text: string }} block */
  update({ text }) {
    const runs = parseRuns(text);
    let same = 0;
    while (same < runs.length && isSame(runs[same], this.#runs[same])) same += 1;
    const grown = runs[same];
    const node = this.#nodes[same];
    if (grown?.kind === "text" && node instanceof Text) {
      growText(node, grown.text);
      same += 1;
    }
    for (const stale of this.#nodes.splice(same)) stale.parentNode?.removeChild(stale);
    for (const run of runs.slice(same)) {
      const next = createRun(run);
      this.#nodes.push(next);
      this.element.append(next);
    }
    this.#runs = runs;
  }
}

/**
 * Items as nested lists. Those above the first changed item stay as they are.
 */
class ListView {
  element = element("div", "list");
  /** @type {{ item: ListItem, list: HTMLElement, entry: HTMLElement, runs: RunsView }[]} */
  #entries = [];

  /** @param {{ items: ListItem[] }} block */
  update({ items }) {
    let same = 0;
    while (same < items.length && isSame(items[same], this.#entries[same]?.item)) same += 1;
    const changed = items[same];
    const entry = this.#entries[same];
    if (changed && entry && isSame({ ...changed, text: "" }, { ...entry.item, text: "" })) {
      entry.runs.update(changed);
      entry.item = changed;
      same += 1;
    }
    for (const stale of this.#entries.splice(same).reverse()) {
      stale.entry.remove();
      if (!stale.list.hasChildNodes()) stale.list.remove();
    }
    for (const item of items.slice(same)) this.#append(item);
  }

  /** @param {ListItem} item */
  #append(item) {
    const runs = new RunsView(element("div"));
    const entry = element("li", "", runs.element);
    if (item.ordered) entry.value = item.number;
    runs.update(item);
    const list = this.#listFor(item);
    list.append(entry);
    this.#entries.push({ item, list, entry, runs });
  }

  /** @param {ListItem} item */
  #listFor({ depth, ordered }) {
    const above = this.#entries.at(-1);
    if (above && above.item.depth < depth) {
      const nested = element(ordered ? "ol" : "ul");
      above.entry.append(nested);
      return nested;
    }
    const sibling = this.#entries.findLast((entry) => entry.item.depth <= depth);
    const fits = sibling && sibling.item.depth === depth && sibling.item.ordered === ordered;
    if (fits) return sibling.list;
    const list = element(ordered ? "ol" : "ul");
    (sibling?.list.parentElement ?? this.element).append(list);
    return list;
  }
}

/**
 * @param {Run} run
 * @returns {Node}
 */
function createRun(run) {
  switch (run.kind) {
    case "text":
      return document.createTextNode(run.text);
    case "code":
      return element("code", "", run.text);
    case "strong":
      return element("strong", "", ...run.runs.map(createRun));
    case "emphasis":
      return element("em", "", ...run.runs.map(createRun));
    case "link": {
      const link = element("a", "", ...run.runs.map(createRun));
      link.href = run.href;
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
      return link;
    }
  }
}

/**
 * Small plain values, equal in form.
 * @param {unknown} a
 * @param {unknown} b
 */
function isSame(a, b) {
  return JSON.stringify(a) === JSON.stringify(b);
}
