// @ts-check
/**
 * One document of a list, and the ids of all, so that a change of one document renders what shows
 * that document and nothing else.
 *
 *     const ids = useIds("messages.byTask", { taskId });              // in the list
 *     const message = useItem("messages.byTask", { taskId }, id);     // in each row
 */

import { useValue } from "./query.js";

/** @import { ArgsOf, OfKind, ResultOf } from "../client.js" */

/**
 * @template T
 * @typedef {T extends readonly (infer D)[] ? D : any} ItemOf
 */

/**
 * @template D
 * @typedef {D extends { _id: infer I extends string } ? I : string} IdOf
 */

/** @type {readonly any[]} */
export const none = [];

/**
 * The documents of a list by their ids, made once for each value that the list has had.
 * @type {WeakMap<readonly any[], Map<string, any>>}
 */
const indexes = new WeakMap();

/** @param {readonly any[]} list */
export function indexOf(list) {
  const index = indexes.get(list) ?? new Map(list.map((item) => [item?._id, item]));
  indexes.set(list, index);
  return index;
}

/**
 * The ids of a query that gives a list of documents, in its order; none while it is loading. It is
 * the same list, and nothing renders, until a document comes, goes or moves.
 * @template {string} F
 * @param {OfKind<F, "query">} functionName
 * @param {ArgsOf<F> | "skip"} args
 * @returns {readonly IdOf<ItemOf<ResultOf<F>>>[]}
 */
export function useIds(functionName, args) {
  return useValue(functionName, args, idsOf) ?? none;
}

/** @param {readonly { _id: string }[]} list */
const idsOf = (list) => list.map(({ _id }) => _id);

/**
 * The document `id` of a query that gives a list of them; undefined while it is not there. All who
 * ask for documents of one list share one query and one index of it, so that a row costs little.
 * @template {string} F
 * @param {OfKind<F, "query">} functionName
 * @param {ArgsOf<F> | "skip"} args
 * @param {string | null | undefined} id
 * @returns {ItemOf<ResultOf<F>> | undefined}
 */
export function useItem(functionName, args, id) {
  return useValue(functionName, args, (/** @type {readonly any[]} */ list) =>
    indexOf(list).get(/** @type {string} */ (id)),
  );
}
