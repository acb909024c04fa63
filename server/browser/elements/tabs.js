// @ts-check
/**
 * Tabs: one of several panels at a time, chosen by pointer or keyboard.
 *
 * Source: WAI-ARIA Authoring Practices, "Tabs", with automatic activation.
 */

import { element } from "./dom.js";

/**
 * @typedef {object} Tab
 * @property {string} name Names it to programs.
 * @property {string} label
 * @property {HTMLElement} panel
 */

let made = 0;

export class Tabs {
  element = element("div", "tabs");
  /** @type {{ name: string, button: HTMLButtonElement, panel: HTMLElement }[]} */
  #tabs;
  #onSelect;
  #selected = "";

  /**
   * @param {string} label What the tabs are for.
   * @param {Tab[]} tabs
   * @param {(name: string) => void} onSelect Told of each change, the first one too.
   */
  constructor(label, tabs, onSelect) {
    this.#onSelect = onSelect;
    this.element.role = "tablist";
    this.element.ariaLabel = label;
    this.#tabs = tabs.map(({ name, label, panel }) => {
      const button = element("button", "tab", label);
      const id = `headwater-tab-${(made += 1)}`;
      button.type = "button";
      button.role = "tab";
      button.id = id;
      button.dataset.tab = name;
      panel.id ||= `${id}-panel`;
      panel.role = "tabpanel";
      panel.setAttribute("aria-labelledby", id);
      button.setAttribute("aria-controls", panel.id);
      button.addEventListener("click", () => this.select(name));
      this.element.append(button);
      return { name, button, panel };
    });
    this.element.addEventListener("keydown", (event) => this.#move(event));
  }

  get selected() {
    return this.#selected;
  }

  /** @param {string} name */
  select(name) {
    if (name === this.#selected) return;
    this.#selected = name;
    for (const tab of this.#tabs) {
      const isSelected = tab.name === name;
      tab.button.ariaSelected = String(isSelected);
      tab.button.tabIndex = isSelected ? 0 : -1;
      tab.panel.hidden = !isSelected;
    }
    this.mark(name, false);
    this.#onSelect(name);
  }

  /**
   * Offer a tab or not. Of one that is not offered any more, another takes the place.
   * @param {string} name
   * @param {boolean} offered
   */
  offer(name, offered) {
    const tab = this.#tabs.find((one) => one.name === name);
    if (!tab || tab.button.hidden === !offered) return;
    tab.button.hidden = !offered;
    if (!offered && name === this.#selected) {
      const other = this.#offered[0];
      if (other) this.select(other.name);
    }
  }

  /**
   * Mark a tab as having something new.
   * @param {string} name
   * @param {boolean} isNew
   */
  mark(name, isNew) {
    const tab = this.#tabs.find((one) => one.name === name);
    if (!tab) return;
    const marked = isNew && name !== this.#selected;
    tab.button.classList.toggle("new", marked);
    tab.button.ariaLabel = marked ? `${tab.button.textContent}, new` : null;
  }

  get #offered() {
    return this.#tabs.filter(({ button }) => !button.hidden);
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const offered = this.#offered;
    const at = offered.findIndex(({ name }) => name === this.#selected);
    const target = {
      ArrowRight: offered[(at + 1) % offered.length],
      ArrowLeft: offered[(at - 1 + offered.length) % offered.length],
      Home: offered[0],
      End: offered.at(-1),
    }[event.key];
    if (!target) return;
    event.preventDefault();
    this.select(target.name);
    target.button.focus();
  }
}
