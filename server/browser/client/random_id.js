// @ts-check
/** Ids that nobody else has. */

/**
 * 128 random bits. (`crypto.randomUUID` exists on https and localhost only; this exists everywhere.)
 * @returns {string} At most 43 digits and dashes.
 */
export function randomId() {
  return crypto.getRandomValues(new Uint32Array(4)).join("-");
}
