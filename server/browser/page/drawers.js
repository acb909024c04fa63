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
    // Before the page hears of it: Escape closes what lies on top, and does nothing else.
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing || !this.close()) return;
      event.stopImmediatePropagation();
      event.preventDefault();
    });
    const sizes = new ResizeObserver(() => this.#closeWhereThereIsRoom());
    for (const { button } of drawers) sizes.observe(button);
  }

  get #open() {
    return this.#drawers.find(({ className }) => document.body.classList.contains(className));
  }

  /** Close what is open; whether anything was. The focus goes back to its button. */
  close() {
    const open = this.#open;
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
    const { content } = drawer;
    const chosen = content.querySelector("[aria-current], [aria-selected=true]");
    const first = chosen ?? content.querySelector("button");
    if (first instanceof HTMLElement) first.focus();
  }

  /** What stands beside the conversation by now has no button, and is no drawer. */
  #closeWhereThereIsRoom() {
    const open = this.#open;
    if (open && open.button.offsetWidth === 0) this.close();
  }

  /**
   * What lies below an open one can be neither pressed nor walked to nor read.
   * @param {Drawer} drawer
   * @param {boolean} isOpen
   */
  #set({ className, content, button }, isOpen) {
    document.body.classList.toggle(className, isOpen);
    button.ariaExpanded = String(isOpen);
    this.#scrim.hidden = !isOpen;
    for (const other of document.body.children) {
      if (!(other instanceof HTMLElement) || other === content || other === this.#scrim) continue;
      other.inert = isOpen;
    }
  }
}
