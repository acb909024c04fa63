// @ts-check
/** Mutations and actions as hooks: functions that stay the same between renders. */

import { useEffect, useMemo, useRef } from "./react.js";
import { useHeadwater } from "./provider.js";

/** @import { ArgsAnd, ArgsOf, Client, OfKind, OptimisticStore, ResultOf } from "../client.js" */

/** @typedef {NonNullable<Parameters<Client["mutation"]>[2]>} MutationOptions */
/** @typedef {NonNullable<Parameters<Client["action"]>[2]>} ActionOptions */

/**
 * What a call is given: the arguments, which may be left out where none are needed, and options.
 * @template A
 * @template O
 * @typedef {ArgsAnd<{ readonly __args: A }, [options?: O]>} Rest
 */

/**
 * What an optimistic update reads and sets; also by the names that Convex has for it.
 * @typedef {OptimisticStore & {
 *   getQuery: OptimisticStore["get"], setQuery: OptimisticStore["set"] }} LocalStore
 */

/**
 * @template A
 * @template R
 * @typedef {((...rest: Rest<A, MutationOptions>) => Promise<R>) & {
 *   withOptimisticUpdate: (update: (store: LocalStore, args: A) => void) => Mutation<A, R>
 * }} Mutation
 */

/**
 * A mutation as a function.
 *
 * `optimistic` shows the effect before the server has answered: `store.get(fn, args)` gives a
 * query's value, `store.set(fn, args, value)` lays another over it until the effect itself has come
 * or the mutation has failed. It is run again whenever the server's values change.
 * @template {string} F
 * @param {OfKind<F, "mutation">} functionName
 * @param {{ optimistic?: (store: LocalStore, args: ArgsOf<F>) => void }} [options]
 * @returns {Mutation<ArgsOf<F>, ResultOf<F>>}
 */
export function useMutation(functionName, { optimistic } = {}) {
  const client = useHeadwater();
  const latest = useLatest(optimistic);
  return useMemo(() => {
    /**
     * @param {() => ((store: LocalStore, args: any) => void) | undefined} updateNow
     * @returns {Mutation<any, any>}
     */
    const withUpdate = (updateNow) =>
      Object.assign(
        (/** @type {any} */ args = {}, /** @type {MutationOptions | undefined} */ options) => {
          const update = updateNow();
          return client.mutation(functionName, args, {
            optimistic:
              update &&
              ((store) => update({ ...store, getQuery: store.get, setQuery: store.set }, args)),
            ...options,
          });
        },
        {
          /** @param {(store: LocalStore, args: any) => void} update */
          withOptimisticUpdate: (update) => withUpdate(() => update),
        },
      );
    return withUpdate(() => latest.current);
  }, [client, functionName]);
}

/**
 * An action as a function.
 * @template {string} F
 * @param {OfKind<F, "action">} functionName
 * @returns {(...rest: Rest<ArgsOf<F>, ActionOptions>) => Promise<ResultOf<F>>}
 */
export function useAction(functionName) {
  const client = useHeadwater();
  return useMemo(
    () =>
      (...rest) =>
        client.action(functionName, ...rest),
    [client, functionName],
  );
}

/**
 * What was rendered last, for functions that are the same in every render.
 * @template T
 * @param {T} value
 */
export function useLatest(value) {
  const latest = useRef(value);
  useEffect(() => {
    latest.current = value;
  });
  return latest;
}
