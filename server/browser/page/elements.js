// @ts-check
/** Elements, made in one line and kept by key. Text only ever enters as text, never as markup. */

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {string} [className]
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, className = "", ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

/**
 * An element of the page that must be there.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`The page has no ${type.name} with the id ${id}.`);
  return found;
}

/**
 * Bring a text node up to date; text that only grew is only appended to.
 * @param {Text} node
 * @param {string} text
 */
export function growText(node, text) {
  if (text === node.data) return;
  if (text.startsWith(node.data)) node.appendData(text.slice(node.length));
  else node.data = text;
}

/**
 * @param {HTMLElement} holder
 * @param {string} text
 */
export function setText(holder, text) {
  if (holder.textContent !== text) holder.textContent = text;
}

/**
 * A button that does its work once at a time. Meanwhile it keeps the focus, as one that is
 * disabled would not.
 * @param {string} label
 * @param {string} className
 * @param {() => Promise<void>} work
 */
export function actionButton(label, className, work) {
  const button = element("button", className, label);
  button.type = "button";
  button.addEventListener("click", async () => {
    if (button.ariaDisabled === "true") return;
    button.ariaDisabled = "true";
    try {
      await work();
    } finally {
      button.ariaDisabled = null;
    }
  });
  return button;
}

/**
 * Views of a list of items, one each, kept by key while their items move, change, come and go.
 * @template Item
 * @template {{ element: HTMLElement, update: (item: Item) => void, close?: () => void }} View
 */
export class KeyedViews {
  /** @type {Map<string, { view: View, item: Item | undefined }>} */
  #byKey = new Map();
  #parent;
  #keyOf;
  #create;

  /**
   * @param {HTMLElement} parent Holds the views' elements and nothing else.
   * @param {(item: Item) => string} keyOf
   * @param {() => View} create
   */
  constructor(parent, keyOf, create) {
    this.#parent = parent;
    this.#keyOf = keyOf;
    this.#create = create;
  }

  /** @param {string} key */
  get(key) {
    return this.#byKey.get(key)?.view;
  }

  /** @param {Item[]} items An item that is the same object as before is not looked at again. */
  update(items) {
    const gone = new Set(this.#byKey.keys());
    let place = this.#parent.firstElementChild;
    for (const item of items) {
      const key = this.#keyOf(item);
      const kept = this.#byKey.get(key) ?? { view: this.#create(), item: undefined };
      this.#byKey.set(key, kept);
      gone.delete(key);
      if (kept.item !== item) kept.view.update(item);
      kept.item = item;
      if (kept.view.element === place) place = place.nextElementSibling;
      else this.#parent.insertBefore(kept.view.element, place);
    }
    for (const key of gone) {
      const view = this.#byKey.get(key)?.view;
      view?.close?.();
      view?.element.remove();
      this.#byKey.delete(key);
    }
  }
}
