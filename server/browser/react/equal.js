// @ts-check
/** Whether two values say the same. */

/**
 * Compares lists and plain objects by what they hold, everything else by identity.
 * @param {any} a
 * @param {any} b
 * @returns {boolean}
 */
export function equal(a, b) {
  if (Object.is(a, b)) return true;
  const kind = a?.constructor;
  if ((kind !== Object && kind !== Array) || kind !== b?.constructor) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => key in b && equal(a[key], b[key]))
  );
}
