// @ts-check
/**
 * What one component sees of one live query.
 *
 * It belongs to one function with one set of arguments, so that no value of others can remain.
 * A state is the same object until it differs, which is what React compares.
 */

import { reuse } from "./reuse.js";

/** @import { HeadwaterError, LiveQuery } from "../client.js" */

/**
 * `data` is undefined while `status` is "pending". Beside an error that can pass it is the last value
 * that there was, if this component has seen one; beside another, such as "forbidden", it is gone.
 * @template T
 * @typedef {{ data: undefined, error: undefined, status: "pending" }
 *   | { data: T, error: undefined, status: "success" }
 *   | { data: T | undefined, error: HeadwaterError, status: "error" }} QueryState
 */

/** @typedef {LiveQuery<any>["result"]} Known */

/** @typedef {((value: any) => any) | undefined} Select */

/**
 * @typedef {object} View
 * @property {(onChange: () => void) => () => void} subscribe
 * @property {(select?: Select) => QueryState<any>} read As of now.
 * @property {(select?: Select) => QueryState<any>} readFirst As a server rendered it.
 */

/**
 * @param {LiveQuery<any> | undefined} live None: nothing is opened.
 * @param {Known} [first] What was known when a server rendered.
 * @returns {View}
 */
export function createView(live, first) {
  /** @type {Known} */
  let known;
  /** @type {Known} */
  let held;
  /** @type {Select} */
  let selectedBy;
  /** @type {QueryState<any> | undefined} */
  let state;

  /**
   * @param {Known} result
   * @param {Select} select
   */
  function see(result, select) {
    if (state && result === known && select === selectedBy) return state;
    const error = result?.error;
    if (error?.retry !== "after") held = error ? undefined : result;
    const status = result ? (error ? "error" : "success") : "pending";
    const data = reuse(held && (select ? select(held.value) : held.value), state?.data);
    known = result;
    selectedBy = select;
    return (state = reuse(/** @type {QueryState<any>} */ ({ data, error, status }), state));
  }

  return {
    subscribe: live?.subscribe ?? (() => () => {}),
    read: (select) => see(live?.result, select),
    readFirst: (select) => see(first, select),
  };
}

/**
 * The value alone: undefined while there is none. What cannot pass by itself, an error whose
 * `retry` is "never", is thrown, to the error boundary; beside others the last value stays.
 * @template T
 * @param {QueryState<T>} state
 * @returns {T | undefined}
 */
export function valueOf({ data, error }) {
  if (error?.retry === "never") throw error;
  return data;
}
