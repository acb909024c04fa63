// @ts-check
/** A value that can be read now, and listened to from now on. */

import { attempt } from "./report.js";

/**
 * What others see of it.
 * @template T
 * @typedef {object} Observable
 * @property {T} value
 * @property {(listener: (value: T) => void) => () => void} subscribe Calls the listener at once.
 */

/**
 * @template T
 */
export class ObservableValue {
  /** @type {Set<(value: T) => void>} */
  #listeners = new Set();
  #value;

  /** @param {T} value */
  constructor(value) {
    this.#value = value;
  }

  get value() {
    return this.#value;
  }

  /** @param {T} value */
  set(value) {
    if (value === this.#value) return;
    this.#value = value;
    for (const listener of [...this.#listeners]) attempt(listener, value);
  }

  /**
   * @param {(value: T) => void} listener
   * @returns {() => void}
   */
  subscribe = (listener) => {
    this.#listeners.add(listener);
    listener(this.#value);
    return () => void this.#listeners.delete(listener);
  };
}
