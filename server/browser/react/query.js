// @ts-check
/** Queries as hooks. */

import { useMemo, useSyncExternalStore } from "./react.js";
import { useHeadwater } from "./provider.js";
import { createView, valueOf } from "./view.js";

/** @import { ArgsOf, LiveQuery, OfKind, Preloaded, ResultOf } from "../client.js" */
/** @import { QueryState, Select } from "./view.js" */

/**
 * @template T
 * @template S
 * @typedef {object} QueryOptions
 * @property {(value: T) => S} [select] What the component needs of the value. While its result is
 *   deeply equal to the one before, it stays the same object, and nothing renders.
 * @property {Preloaded<T> | undefined} [preloaded] The value as `client.preload` read it for the
 *   server's rendering; shown at once, and continued from.
 */

/**
 * Follow a query.
 *
 * Beside an error that can pass, `data` is the last value that this component has seen. With "skip"
 * for its arguments a query is pending, and nothing is opened. They may be left out where it needs
 * none.
 * @template {string} F
 * @overload
 * @param {{} extends ArgsOf<F> ? OfKind<F, "query"> : never} functionName
 * @returns {QueryState<ResultOf<F>>}
 */
/**
 * @template {string} F
 * @template [S=ResultOf<F>]
 * @overload
 * @param {OfKind<F, "query">} functionName
 * @param {ArgsOf<F> | "skip"} args Compared by what they say: they may be another object each time.
 * @param {QueryOptions<ResultOf<F>, S>} [options]
 * @returns {QueryState<S>}
 */
/**
 * @param {string} functionName
 * @param {any} [args]
 * @param {QueryOptions<any, any>} [options]
 * @returns {QueryState<any>}
 */
export function useQuery(functionName, args, options) {
  return useView(functionName, args, options)[0];
}

/**
 * @param {string} functionName
 * @param {any} args
 * @param {{ select?: Select, preloaded?: any }} [options]
 * @param {boolean} [rendersLive] Whether a server shows what its client knows, without a preload.
 * @returns {[state: QueryState<any>, live: LiveQuery<any> | undefined]}
 */
export function useView(functionName, args, { select, preloaded } = {}, rendersLive = false) {
  const client = useHeadwater();
  const live = args === "skip" ? undefined : client.live(functionName, args, { preloaded });
  // The key stands for the function and its arguments.
  const view = useMemo(
    () => createView(live, live && (preloaded ?? (rendersLive ? live.result : undefined))),
    [client, live?.key],
  );
  const state = useSyncExternalStore(
    view.subscribe,
    () => view.read(select),
    () => view.readFirst(select),
  );
  return [state, live];
}

/**
 * Follow a query and have its value alone, or its error thrown, as `valueOf` has it.
 * @param {string} functionName
 * @param {any} args
 * @param {Select} [select]
 * @returns {any}
 */
export function useValue(functionName, args, select) {
  return valueOf(useQuery(functionName, args, { select }));
}
