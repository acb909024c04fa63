// @ts-check
/** A value that can be unfolded, with its beginning on the fold. */

import { element, growText, setText } from "./dom.js";
import { shownCharactersMax } from "./limits.js";

export class FoldedValue {
  #text = document.createTextNode("");
  #preview = element("span", "preview");
  #summary;
  #chosen = false;
  element;

  /** @param {string} label */
  constructor(label) {
    this.#summary = element("summary", "", element("span", "", label), this.#preview);
    this.element = element(
      "details",
      "value",
      this.#summary,
      element("pre", "", element("code", "", this.#text)),
    );
    this.#summary.addEventListener("click", () => {
      this.#chosen = true;
    });
  }

  /**
   * @param {string} text "" hides it.
   * @param {boolean} open Unless the reader has said otherwise.
   */
  update(text, open) {
    const more = text.length - shownCharactersMax;
    const shown = more > 0 ? `${text.slice(0, shownCharactersMax)}\n… and ${more} more` : text;
    growText(this.#text, shown);
    setText(this.#preview, text.slice(0, 200).replace(/\s+/g, " "));
    this.element.hidden = text === "";
    if (!this.#chosen) this.element.open = open;
  }
}
