// @ts-check
/**
 * `<headwater-files task="…">`: changes of files in a task's workspace, newest first, each with its
 * diff behind it. `limit` (200) is how many are shown.
 */

import { clockTime } from "./clock.js";
import { diffLines } from "./diff_lines.js";
import { element, setText } from "./dom.js";
import { HeadwaterElement } from "./headwater_element.js";
import { KeyedViews } from "./keyed_views.js";
import { diffLinesMax } from "./limits.js";

/** @import { Client } from "../client.js" */
/** @import { FileChange } from "../client/documents.js" */

/** @type {Record<FileChange["changeType"], { letter: string, word: string }>} */
const words = {
  CREATE: { letter: "A", word: "Created" },
  UPDATE: { letter: "M", word: "Changed" },
  DELETE: { letter: "D", word: "Deleted" },
  RENAME: { letter: "R", word: "Renamed" },
};

export class HeadwaterFiles extends HeadwaterElement {
  static sheets = [new URL("./files.css", import.meta.url).href];
  static observedAttributes = [...HeadwaterElement.observedAttributes, "limit"];

  #list = element("ul", "changes");
  #none = element("p", "more", "No file has changed.");
  /** @type {KeyedViews<FileChange, ChangeView>} */
  #views = new KeyedViews(
    this.#list,
    (change) => change._id,
    () => new ChangeView(),
  );

  build() {
    this.#list.role = "list";
    this.#list.ariaLabel = "Changes of files, newest first";
    this.replaceChildren(this.#list, this.#none);
  }

  clear() {
    this.#views.update([]);
    this.#none.hidden = true;
  }

  /**
   * @param {Client} _client
   * @param {string} taskId
   */
  start(_client, taskId) {
    const limit = Number(this.getAttribute("limit")) || undefined;
    this.follow(
      "fileChanges.byTask",
      { taskId, limit },
      (/** @type {FileChange[]} */ changes) => {
        this.#views.update(changes.toReversed());
        this.#none.hidden = changes.length > 0;
      },
    );
  }
}

class ChangeView {
  #kind = element("span", "kind");
  #folder = element("span", "folder");
  #name = element("span", "file");
  #path = element("span", "path", this.#folder, this.#name);
  #added = element("span", "added");
  #removed = element("span", "removed");
  #time = element("time");
  #head = element("summary", "", this.#kind, this.#path, this.#added, this.#removed, this.#time);
  #fold = element("details", "", this.#head);
  #diff = element("div", "diff");
  element = element("li", "change", this.#fold);
  /** @type {FileChange | null} */
  #change = null;

  constructor() {
    this.#fold.addEventListener("toggle", () => this.#showDiff());
    // Where there is nothing to unfold, nothing is unfolded.
    this.#head.addEventListener("click", (event) => {
      if (!this.#change?.diff) event.preventDefault();
    });
  }

  /** @param {FileChange} change */
  update(change) {
    const { changeType, path, oldPath, additions, deletions, createdAt, diff } = change;
    const { letter, word } = words[changeType] ?? { letter: "?", word: changeType };
    const slash = path.lastIndexOf("/") + 1;
    this.#change = change;
    this.element.dataset.change = changeType;
    this.element.classList.toggle("plain", !diff);
    this.#kind.title = this.#kind.ariaLabel = word;
    this.#kind.role = "img";
    setText(this.#kind, letter);
    setText(this.#folder, path.slice(0, slash));
    this.#folder.hidden = slash === 0;
    setText(this.#name, path.slice(slash));
    this.#path.title = oldPath ? `${oldPath} → ${path}` : path;
    setText(this.#added, additions > 0 ? `+${additions}` : "");
    setText(this.#removed, deletions > 0 ? `−${deletions}` : "");
    this.#time.dateTime = new Date(createdAt).toISOString();
    setText(this.#time, clockTime(createdAt));
    this.#showOldPath(oldPath);
    this.#showDiff();
  }

  /** @param {string | null | undefined} oldPath */
  #showOldPath(oldPath) {
    this.element.querySelector(".old-path")?.remove();
    if (oldPath) this.element.append(element("p", "old-path", `was ${oldPath}`));
  }

  /** The lines are there only while they can be seen. */
  #showDiff() {
    if (!this.#fold.open) return this.#diff.replaceChildren();
    if (!this.#diff.isConnected) this.#fold.append(this.#diff);
    const lines = diffLines(this.#change?.diff ?? "");
    const shown = lines.slice(0, diffLinesMax).map(createLine);
    const more = lines.length - shown.length;
    if (more > 0) shown.push(element("div", "line about", `${more} more lines`));
    this.#diff.replaceChildren(element("div", "lines", ...shown));
    this.#diff.tabIndex = 0;
    this.#diff.role = "region";
    this.#diff.ariaLabel = `Diff of ${this.#change?.path}`;
  }
}

/** @param {import("./diff_lines.js").DiffLine} line */
function createLine({ kind, text, number }) {
  const shownNumber = element("span", "number", number === null ? "" : String(number));
  const sign = { added: "+", removed: "−", same: " ", hunk: "", about: "" }[kind];
  return element("div", `line ${kind}`, shownNumber, element("span", "sign", sign), text || " ");
}
