// @ts-check
/**
 * How far two positions are along the same history.
 *
 * A position is handed back exactly as it came: `<seconds>.<increment>~<build>`, perhaps with a "-"
 * at its end.
 */

const form = /^(\d+)\.(\d+)~[^~]{1,40}$/;

/** @param {string} text */
export function isPosition(text) {
  return form.test(text);
}

/**
 * Whether whoever is at `position` has seen what was done at `target`. Builds follow each other on
 * one history: what a new server has done is waited for on a stream that still was of the old one.
 * Where a target says no time there is nothing to wait for.
 * @param {any} position
 * @param {any} target
 */
export function hasReached(position, target) {
  const [, seconds, increment] = form.exec(position) ?? [];
  const [, targetSeconds, targetIncrement] = form.exec(target) ?? [];
  return !((Number(seconds) - Number(targetSeconds) || Number(increment) - Number(targetIncrement)) < 0);
}
