// @ts-check
/** A unified diff, line by line. */

/**
 * `number` is the line's in the file that it is of: the new one, of a removed line the old one.
 * @typedef {object} DiffLine
 * @property {"added" | "removed" | "same" | "hunk" | "about"} kind
 * @property {string} text Without its mark.
 * @property {number | null} number Null where it is not known: after a part that was left out.
 */

const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/;

/** @type {Record<string, "added" | "removed" | "same">} */
const kinds = { "+": "added", "-": "removed", " ": "same", "": "same" };

/**
 * @param {string} diff Any text; what is no diff is lines that say nothing of files.
 * @returns {DiffLine[]}
 */
export function diffLines(diff) {
  const lines = diff.split("\n");
  if (lines.at(-1) === "") lines.pop();
  let [oldLine, newLine] = [0, 0];
  let inHunk = false;
  let isCounted = false;
  return lines.map((line) => {
    const start = hunk.exec(line);
    if (start) {
      [oldLine, newLine] = [Number(start[1]), Number(start[2])];
      inHunk = isCounted = true;
      return { kind: "hunk", text: line, number: null };
    }
    if (line.startsWith("diff ")) inHunk = false;
    const kind = inHunk ? kinds[line.slice(0, 1)] : undefined;
    if (!kind) {
      // A mark that a part was left out; one with a backslash tells how the file ends.
      if (!line.startsWith("\\")) isCounted = false;
      return { kind: "about", text: line, number: null };
    }
    const number = kind === "removed" ? oldLine : newLine;
    if (kind !== "added") oldLine += 1;
    if (kind !== "removed") newLine += 1;
    return { kind, text: line.slice(1), number: isCounted ? number : null };
  });
}
