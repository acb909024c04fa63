// @ts-check
/**
 * What stands beside the conversation where there is room, and lies over it, one at a time and
 * behind a button, where there is not.
 */

import { byId } from "./by_id.js";

/**
 * @typedef {object} Drawer
 * @property {string} className Of the body, while it is open.
 * @property {HTMLElement} content
 * @property {HTMLElement} button
 */

export class Drawers {
  #scrim = byId("scrim", HTMLElement);
  #drawers;

  /** @param {Drawer[]} drawers */
  constructor(drawers) {
    this.#drawers = drawers;
    for (const drawer of drawers) {
      drawer.button.addEventListener("click", () => this.#toggle(drawer));
    }
    this.#scrim.addEventListener("click", () => this.close());
    // Before what is below hears of it: Escape closes what lies on top, and does nothing else.
    addEventListener(
      "keydown",
      (event) => {
        if (event.key !== "Escape" || event.isComposing || !this.close()) return;
        event.stopPropagation();
        event.preventDefault();
      },
      { capture: true },
    );
  }

  /** Close what is open; whether anything was. The focus goes back to its button. */
  close() {
    const open = this.#drawers.find(({ className }) => document.body.classList.contains(className));
    if (!open) return false;
    const hadFocus = open.content.contains(document.activeElement);
    this.#set(open, false);
    if (hadFocus || document.activeElement === document.body) open.button.focus();
    return true;
  }

  /** @param {Drawer} drawer */
  #toggle(drawer) {
    const isOpen = document.body.classList.contains(drawer.className);
    this.close();
    if (isOpen) return;
    this.#set(drawer, true);
    drawer.content.querySelector("button")?.focus();
  }

  /**
   * @param {Drawer} drawer
   * @param {boolean} isOpen
   */
  #set({ className, button }, isOpen) {
    document.body.classList.toggle(className, isOpen);
    button.ariaExpanded = String(isOpen);
    this.#scrim.hidden = !isOpen;
  }
}
