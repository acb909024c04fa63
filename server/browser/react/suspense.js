// @ts-check
/** Queries that suspend until their value is there. */

import { useView } from "./query.js";

/** @import { ArgsOf, LiveQuery, OfKind, ResultOf } from "../client.js" */
/** @import { QueryOptions } from "./query.js" */

/**
 * Follow a query; suspends until its value is there. An error goes to the error boundary, except
 * one that can pass after a value was shown: then the value stays.
 *
 * On a server `preloaded` is rendered at once. Without it the component suspends there too, and the
 * value is rendered when it has come, by those of React's functions that wait.
 * @template {string} F
 * @overload
 * @param {{} extends ArgsOf<F> ? OfKind<F, "query"> : never} functionName
 * @returns {ResultOf<F>}
 */
/**
 * @template {string} F
 * @template [S=ResultOf<F>]
 * @overload
 * @param {OfKind<F, "query">} functionName
 * @param {ArgsOf<F>} args
 * @param {QueryOptions<ResultOf<F>, S>} [options]
 * @returns {S}
 */
/**
 * @param {string} functionName
 * @param {any} [args]
 * @param {QueryOptions<any, any>} [options]
 * @returns {any}
 */
export function useSuspenseQuery(functionName, args, options) {
  const [state, live] = useView(functionName, args, options, true);
  if (state.status === "pending") throw arrival(/** @type {LiveQuery<any>} */ (live));
  if (state.data === undefined) throw state.error;
  return state.data;
}

/**
 * Resolved when something is known of the query. It follows the query itself, for who suspends has
 * not mounted; when it ends, the client goes on for as long as that takes.
 * @param {LiveQuery<any>} live
 * @returns {Promise<void>}
 */
function arrival(live) {
  return new Promise((resolve) => {
    const unsubscribe = live.subscribe(() => {
      if (!live.result) return;
      unsubscribe();
      resolve();
    });
  });
}
