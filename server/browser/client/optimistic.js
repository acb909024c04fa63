// @ts-check
/**
 * What a page shows before the server has said so: updates of its own, laid over the server's
 * values, made again whenever those change, and taken away when their effect has come or will not.
 */

import { report } from "./report.js";

/** @import { ArgsAnd, ArgsOf, OfKind, ResultOf } from "./references.js" */

/**
 * The values, as an optimistic update sees and sets them. They must not be modified: set others.
 * @typedef {object} OptimisticStore
 * @property {<F extends string>(
 *   functionName: OfKind<F, "query">, ...rest: ArgsAnd<F>
 * ) => ResultOf<F> | undefined} get
 *   Undefined: it has not come yet, or is an error.
 * @property {<F extends string>(
 *   functionName: OfKind<F, "query">, args: ArgsOf<F>, value: ResultOf<F>
 * ) => void} set
 *   Nothing happens where nobody follows it.
 */

/** @typedef {(store: OptimisticStore) => void} OptimisticUpdate */

export class Layers {
  /** @type {Set<OptimisticUpdate>} */
  #updates = new Set();

  /**
   * @param {OptimisticUpdate} update
   * @returns {() => void} Takes it away again.
   */
  add(update) {
    /** @type {OptimisticUpdate} */
    const layer = (store) => update(store);
    this.#updates.add(layer);
    return () => void this.#updates.delete(layer);
  }

  /**
   * The values that are laid over others, by key. An update that throws is reported and goes.
   * @param {(functionName: string, args: object) => string} keyOf
   * @param {(key: string) => unknown} valueOf
   * @returns {Map<string, any>}
   */
  values(keyOf, valueOf) {
    /** @type {Map<string, any>} */
    const values = new Map();
    for (const update of this.#updates) {
      try {
        update({
          get: /** @type {OptimisticStore["get"]} */ (
            (functionName, args) => {
              const key = keyOf(functionName, args ?? {});
              return values.has(key) ? values.get(key) : valueOf(key);
            }
          ),
          set: (functionName, args, value) => void values.set(keyOf(functionName, args), value),
        });
      } catch (error) {
        this.#updates.delete(update);
        report(error);
      }
    }
    return values;
  }
}
