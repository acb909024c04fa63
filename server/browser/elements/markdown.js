// @ts-check
/**
 * The part of Markdown that models write most, parsed to values.
 *
 * Blocks: paragraphs, headings, lists (nested by indentation), fenced code, quotes, rules.
 * Inline: strong, emphasis, code, links to http and https. All else stays text as written.
 *
 * Lines decide blocks from the top down, and a line is final when the next one has begun.
 * Therefore text that grows changes its last two blocks at most, and parsing again from the last
 * but one gives what parsing the whole would give.
 */

/**
 * `start` is the block's offset in the text.
 * @typedef {{ kind: "paragraph" | "quote", start: number, text: string }
 *   | { kind: "heading", start: number, level: number, text: string }
 *   | { kind: "code", start: number, language: string, text: string }
 *   | { kind: "list", start: number, items: ListItem[] }
 *   | { kind: "rule", start: number }} Block
 */

/** @typedef {{ depth: number, ordered: boolean, number: number, text: string }} ListItem */

/**
 * @typedef {{ kind: "text" | "code", text: string }
 *   | { kind: "strong" | "emphasis", runs: Run[] }
 *   | { kind: "link", href: string, runs: Run[] }} Run
 */

const heading = /^(#{1,6})[ \t]+(.*)$/;
const fence = /^([ \t]*)(```+|~~~+)[ \t]*([\w+#.-]*)[^`]*$/;
const item = /^([ \t]*)(?:[-*+]|(\d{1,9})[.)])[ \t]+(.*)$/;
const quote = /^>[ \t]?(.*)$/;
const rule = /^[ \t]*(?:-[ \t]*){3,}$|^[ \t]*(?:\*[ \t]*){3,}$/;
const depthMax = 3;

/**
 * @param {string} text
 * @param {number} [offset] Where to begin: a block's `start`.
 * @returns {Block[]}
 */
export function parseBlocks(text, offset = 0) {
  /** @type {Block[]} */
  const blocks = [];
  /** @type {Block | null} */
  let open = null;
  let afterBlank = false;
  let fenceIndent = 0;
  let codeBegun = false;
  let fenceEnd = /** @type {RegExp | null} */ (null);

  /** @param {Block} block */
  const begin = (block) => {
    blocks.push(block);
    open = block;
  };

  /**
   * @param {string} line
   * @param {number} start
   */
  function readLine(line, start) {
    const block = /** @type {Block | null} */ (open);
    if (block?.kind === "code") {
      if (fenceEnd?.test(line)) open = null;
      else {
        const code = line.slice(Math.min(fenceIndent, line.search(/\S|$/)));
        block.text = codeBegun ? `${block.text}\n${code}` : code;
        codeBegun = true;
      }
      return;
    }
    const blank = line.trim() === "";
    const found = blank ? null : readOpening(line, start);
    if (blank) {
      if (block?.kind !== "list") open = null;
    } else if (found?.kind === "list" && block?.kind === "list") {
      const [next] = /** @type {[ListItem]} */ (found.items);
      const above = /** @type {ListItem} */ (block.items.at(-1));
      block.items.push({ ...next, depth: Math.min(next.depth, above.depth + 1) });
    } else if (found?.kind === "quote" && block?.kind === "quote") {
      block.text += `\n${found.text}`;
    } else if (found) {
      if (found.kind === "list") for (const first of found.items) first.depth = 0;
      begin(found);
      if (found.kind === "heading" || found.kind === "rule") open = null;
    } else if (block?.kind === "list" && (!afterBlank || /^[ \t]{2}/.test(line))) {
      const last = /** @type {ListItem} */ (block.items.at(-1));
      last.text += `${afterBlank ? "\n\n" : "\n"}${line.trim()}`;
    } else if (block?.kind === "paragraph") {
      block.text += `\n${line}`;
    } else {
      begin({ kind: "paragraph", start, text: line });
    }
    afterBlank = blank;
  }

  /**
   * @param {string} line
   * @param {number} start
   * @returns {Block | null} What the line opens by its form; null: nothing in particular.
   */
  function readOpening(line, start) {
    const fenced = fence.exec(line);
    if (fenced) {
      const [, indent = "", marks = "", language = ""] = fenced;
      fenceIndent = indent.length;
      codeBegun = false;
      fenceEnd = new RegExp(`^[ \\t]*${marks[0]}{${marks.length},}[ \\t]*$`);
      return { kind: "code", start, language, text: "" };
    }
    const titled = heading.exec(line);
    if (titled) {
      const [, marks = "", text = ""] = titled;
      return { kind: "heading", start, level: marks.length, text };
    }
    if (rule.test(line)) return { kind: "rule", start };
    const listed = item.exec(line);
    if (listed) {
      const [, indent = "", number, text = ""] = listed;
      const depth = Math.min(depthMax, Math.floor(indent.replaceAll("\t", "    ").length / 2));
      const ordered = number !== undefined;
      return {
        kind: "list",
        start,
        items: [{ depth, ordered, number: Number(number ?? 0), text }],
      };
    }
    const quoted = quote.exec(line);
    if (quoted) return { kind: "quote", start, text: quoted[1] ?? "" };
    return null;
  }

  let start = offset;
  while (start < text.length) {
    const newline = text.indexOf("\n", start);
    const end = newline === -1 ? text.length : newline;
    readLine(text.slice(start, end).replace(/\r$/, ""), start);
    start = end + 1;
  }
  return blocks;
}

// In order: code, strong, link, emphasis by asterisk and by underscore, a bare address.
const marked = new RegExp(
  [
    "(?<ticks>`+)(?<code>[^`](?:[\\s\\S]*?[^`])?)\\k<ticks>(?!`)",
    "\\*\\*(?<strong>(?=\\S)[\\s\\S]*?\\S)\\*\\*",
    "\\[(?<label>[^\\]\\n]+)\\]\\((?<href>https?:\\/\\/[^\\s()]+)\\)",
    "(?<![\\w*])\\*(?<star>(?=[^\\s*])[^*\\n]*?[^\\s*])\\*(?![\\w*])",
    "(?<![\\w_])_(?<underscore>(?=[^\\s_])[^_\\n]*?[^\\s_])_(?![\\w_])",
    "(?<![\\w/])(?<address>https?:\\/\\/[^\\s<>()\\[\\]\"'`*]*[^\\s<>()\\[\\]\"'`*.,;:!?])",
  ].join("|"),
  "g",
);

/**
 * @param {string} text
 * @returns {Run[]}
 */
export function parseRuns(text) {
  /** @type {Run[]} */
  const runs = [];
  let end = 0;
  for (const match of text.matchAll(marked)) {
    if (match.index > end) runs.push({ kind: "text", text: text.slice(end, match.index) });
    runs.push(readRun(match.groups ?? {}));
    end = match.index + match[0].length;
  }
  if (end < text.length) runs.push({ kind: "text", text: text.slice(end) });
  return runs;
}

/**
 * @param {Record<string, string | undefined>} found
 * @returns {Run}
 */
function readRun({ code, strong, label, href, star, underscore, address }) {
  if (code !== undefined) return { kind: "code", text: code };
  if (strong !== undefined) return { kind: "strong", runs: parseRuns(strong) };
  if (label !== undefined)
    return { kind: "link", href: href ?? "", runs: [{ kind: "text", text: label }] };
  if (address !== undefined) {
    return { kind: "link", href: address, runs: [{ kind: "text", text: address }] };
  }
  return { kind: "emphasis", runs: parseRuns(star ?? underscore ?? "") };
}
