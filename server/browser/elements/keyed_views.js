// @ts-check
/** Views of items, one each, kept by key while their items move, change, come and go. */

/**
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

  /** @returns {View[]} In no order. */
  all() {
    return [...this.#byKey.values()].map(({ view }) => view);
  }

  /** @param {Item[]} items An item that is the same object as before is not looked at again. */
  update(items) {
    const gone = new Set(this.#byKey.keys());
    for (const item of items) gone.delete(this.#keyOf(item));
    // First: those that stay are then not moved, which would take the focus from what is in them.
    for (const key of gone) this.#remove(key);
    let place = this.#parent.firstElementChild;
    for (const item of items) {
      const key = this.#keyOf(item);
      const kept = this.#byKey.get(key) ?? { view: this.#create(), item: undefined };
      this.#byKey.set(key, kept);
      if (kept.item !== item) kept.view.update(item);
      kept.item = item;
      if (kept.view.element === place) place = place.nextElementSibling;
      else this.#parent.insertBefore(kept.view.element, place);
    }
  }

  /** @param {string} key */
  #remove(key) {
    const view = this.#byKey.get(key)?.view;
    view?.close?.();
    view?.element.remove();
    this.#byKey.delete(key);
  }
}
