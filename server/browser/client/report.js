// @ts-check
/** What others' functions throw: it is said aloud, and keeps nobody else from going on. */

/** @param {unknown} error */
export function report(error) {
  (globalThis.reportError ?? console.error)(error);
}

/**
 * @template T
 * @param {(value: T) => void} listener
 * @param {T} value
 */
export function attempt(listener, value) {
  try {
    listener(value);
  } catch (error) {
    report(error);
  }
}
