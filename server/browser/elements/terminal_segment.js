// @ts-check
/** One segment of a terminal, which grows in place. */

import { Ansi } from "./ansi.js";
import { element } from "./dom.js";
import { colouredRunsMax } from "./limits.js";

/** @import { TerminalPart, TerminalSegment } from "../client/documents.js" */

export class SegmentView {
  #command = element("p", "command");
  #output = element("pre", "output");
  element = element("div", "segment", this.#command, this.#output);
  /** @type {PartView[]} */
  #parts = [];
  /** @type {{ runs: number }} */
  #budget = { runs: colouredRunsMax };

  constructor() {
    this.#command.hidden = true;
  }

  /** @param {TerminalSegment} segment */
  update({ commandId, sequence, parts }) {
    this.element.dataset.command = commandId;
    this.element.dataset.sequence = String(sequence);
    parts.forEach((part, index) => {
      let view = this.#parts[index];
      if (!view || view.stream !== part.stream || !part.text.startsWith(view.text)) {
        const next = new PartView(part.stream, this.#budget);
        if (view) view.element.replaceWith(next.element);
        else this.#output.append(next.element);
        this.#parts[index] = view = next;
      }
      view.update(part);
    });
    for (const { element } of this.#parts.splice(parts.length)) element.remove();
  }

  /** @param {string} command What was run, "" where it is not known, or was told before. */
  setCommand(command) {
    const saysItself = this.#parts[0]?.text.startsWith(`$ ${command}\n`) ?? false;
    this.#command.hidden = command === "" || saysItself;
    if (this.#command.textContent !== command) this.#command.textContent = command;
  }
}

/** What one stream wrote, one thing after another. */
class PartView {
  text = "";
  stream;
  element;
  #ansi = new Ansi();
  #budget;
  /** @type {{ node: Text, look: string } | null} What may be appended to. */
  #last = null;

  /**
   * @param {TerminalPart["stream"]} stream
   * @param {{ runs: number }} budget
   */
  constructor(stream, budget) {
    this.stream = stream;
    this.#budget = budget;
    this.element = element("span", stream);
  }

  /** @param {TerminalPart} part Whose text begins with what it was. */
  update({ text }) {
    if (text.length === this.text.length) return;
    const runs = this.#ansi.feed(text.slice(this.text.length));
    this.text = text;
    for (const { text, look, restart } of runs) {
      if (restart) this.#restartLine();
      this.#append(text, look);
    }
  }

  /**
   * @param {string} text
   * @param {string} look
   */
  #append(text, look) {
    const isPlain = this.#budget.runs <= 0;
    if (this.#last && (this.#last.look === look || isPlain)) {
      this.#last.node.appendData(text);
      return;
    }
    this.#budget.runs -= 1;
    const node = document.createTextNode(text);
    this.element.append(look && !isPlain ? element("span", look, node) : node);
    this.#last = { node, look };
  }

  /** Take away what the last line has. */
  #restartLine() {
    for (let node = this.element.lastChild; node; node = this.element.lastChild) {
      const text = node instanceof Text ? node : node.firstChild;
      const end = text instanceof Text ? text.data.lastIndexOf("\n") : -1;
      if (text instanceof Text && end >= 0) {
        text.data = text.data.slice(0, end + 1);
        break;
      }
      node.remove();
      this.#budget.runs += 1;
    }
    this.#last = null;
  }
}
