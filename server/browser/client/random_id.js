// @ts-check
/** Ids that nobody else has. */

/**
 * `crypto.randomUUID` exists on https and localhost only; this exists everywhere.
 * @returns {string} 32 hex digits.
 */
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
