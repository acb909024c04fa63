// @ts-check
/**
 * What two values have in common, as the same objects.
 *
 * A snapshot says everything anew. `===` must still tell a reader what changed.
 */

import { sharedDepthMax } from "./limits.js";

/** @import { Json, JsonList, JsonObject } from "./patch.js" */

/**
 * The value `next`, of which everything that `previous` has too is `previous`'s. Documents of a
 * list are found again by their `_id`, wherever they stand. Neither argument is modified.
 * @param {Json | undefined} previous
 * @param {Json} next
 * @param {number} [depth]
 * @returns {Json}
 */
export function share(previous, next, depth = 0) {
  if (previous === next || depth > sharedDepthMax) return next;
  if (!isContainer(previous) || !isContainer(next)) return next;
  if (Array.isArray(next)) {
    return Array.isArray(previous) ? shareList(previous, next, depth + 1) : next;
  }
  return Array.isArray(previous) ? next : shareObject(previous, next, depth + 1);
}

/**
 * @param {JsonList} previous
 * @param {JsonList} next
 * @param {number} depth
 */
function shareList(previous, next, depth) {
  /** @type {Map<unknown, Json>} */
  const byId = new Map();
  for (const item of previous) {
    const id = idOf(item);
    if (id !== undefined) byId.set(id, item);
  }
  const shared = next.map((item, index) => {
    const id = idOf(item);
    return share(id === undefined ? previous[index] : byId.get(id), item, depth);
  });
  const same = shared.length === previous.length && shared.every((item, i) => item === previous[i]);
  return same ? previous : shared;
}

/**
 * @param {JsonObject} previous
 * @param {JsonObject} next
 * @param {number} depth
 */
function shareObject(previous, next, depth) {
  let same = Object.keys(previous).length === Object.keys(next).length;
  const entries = Object.entries(next).map(([key, item]) => {
    const before = Object.hasOwn(previous, key) ? previous[key] : undefined;
    const shared = share(before, item, depth);
    same &&= shared === before;
    return /** @type {const} */ ([key, shared]);
  });
  return same ? previous : Object.fromEntries(entries);
}

/** @param {Json | undefined} item */
function idOf(item) {
  return isContainer(item) && !Array.isArray(item) ? item["_id"] : undefined;
}

/**
 * @param {Json | undefined} value
 * @returns {value is JsonList | JsonObject}
 */
function isContainer(value) {
  return typeof value === "object" && value !== null;
}
