// @ts-check
/** What a message is made of on the page, apart from its calls of tools. */

import { element, growText, setText } from "./dom.js";

/** @import { Source } from "./citations.js" */

/** What a person wrote stays as written. */
export class PlainView {
  #text = document.createTextNode("");
  element = element("p", "plain", this.#text);

  /** @param {{ text: string }} part */
  update({ text }) {
    growText(this.#text, text);
  }
}

/** Thoughts: open while they grow, then folded, unless the reader has said otherwise. */
export class ReasoningView {
  #summary = element("summary");
  #text = document.createTextNode("");
  element = element("details", "reasoning", this.#summary, element("p", "", this.#text));
  #chosen = false;

  constructor() {
    this.#summary.addEventListener("click", () => {
      this.#chosen = true;
    });
  }

  /** @param {{ text: string, growing: boolean }} part */
  update({ text, growing }) {
    growText(this.#text, text);
    setText(this.#summary, growing ? "Thinking" : "Thoughts");
    this.element.classList.toggle("growing", growing);
    if (!this.#chosen) this.element.open = growing;
  }
}

/** Where a reply that was cut goes on. */
export class SeamView {
  element = element("p", "seam", element("span", "", "Continued here"));

  update() {}
}

/** The numbered sources below a reply. */
export class SourceList {
  element = element("ol", "sources");
  #shown = "[]";

  /** @param {Source[]} sources */
  update(sources) {
    const shown = JSON.stringify(sources);
    this.element.hidden = sources.length === 0;
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.element.replaceChildren(...sources.map(createSource));
  }
}

/** @param {Source} source */
function createSource({ title, href, quote }) {
  const line = element("li");
  if (href) {
    const link = element("a", "", title);
    link.href = href;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    line.append(link);
  } else {
    line.append(title);
  }
  if (quote) line.append(element("q", "", quote));
  return line;
}
