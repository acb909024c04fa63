// @ts-check
/**
 * What two values have in common, as the same objects.
 *
 * A snapshot says everything anew. `===` must still tell a reader what changed.
 */

import { sharedDepthMax } from "./limits.js";

/** @import { Json } from "./patch.js" */

/**
 * The value `next`, of which everything that `previous` has too is `previous`'s. Documents of a
 * list are found again by their `_id`, wherever they stand. Neither argument is modified.
 * @param {any} previous
 * @param {any} next
 * @param {number} [depth]
 * @returns {Json}
 */
export function share(previous, next, depth = 0) {
  const isList = Array.isArray(next);
  if (previous === next || depth > sharedDepthMax) return next;
  if (!isContainer(previous) || !isContainer(next) || isList !== Array.isArray(previous)) return next;
  /** @type {Map<any, any>} */
  const byId = new Map(isList ? previous.map((/** @type {any} */ item) => [item?._id, item]) : []);
  let same = Object.keys(previous).length === Object.keys(next).length;
  /** @type {(item: any, key: string | number) => Json} */
  const shareItem = (item, key) => {
    const before = Object.hasOwn(previous, key) ? previous[key] : undefined;
    const counterpart = before?._id === item?._id ? before : byId.get(item?._id);
    const shared = share(counterpart, item, depth + 1);
    same &&= shared === before;
    return shared;
  };
  const shared = isList
    ? next.map(shareItem)
    : Object.fromEntries(Object.entries(next).map(([key, item]) => [key, shareItem(item, key)]));
  return same ? previous : shared;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, any>}
 */
function isContainer(value) {
  return value === Object(value);
}
