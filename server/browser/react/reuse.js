// @ts-check
/** Values that say the same as the ones before are the ones before. */

/**
 * The one before, if both say the same, so that nothing renders.
 * @template T
 * @param {T} next
 * @param {T | undefined} before
 * @returns {T}
 */
export const reuse = (next, before) => (equal(next, before) ? /** @type {T} */ (before) : next);

/**
 * Compares lists and plain objects by what they hold, everything else by identity.
 * @param {any} a
 * @param {any} b
 * @returns {boolean}
 */
function equal(a, b) {
  if (Object.is(a, b)) return true;
  const kind = a?.constructor;
  if ((kind !== Object && kind !== Array) || kind !== b?.constructor) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => key in b && equal(a[key], b[key]))
  );
}
