// @ts-check
/**
 * How far two positions are along the same history.
 *
 * A position is handed back exactly as it came. It may be compared with another of its build:
 * `<seconds>.<increment>~<build>`, perhaps with a "-" at its end.
 */

const form = /^(\d+)\.(\d+)~([^~]{1,40}?)-?$/;

/** @param {string} text */
export function isPosition(text) {
  return form.test(text);
}

/**
 * Whether whoever is at `position` has seen what was done at `target`. Positions of different
 * builds cannot be compared; a server of another build has begun with snapshots, and counts.
 * @param {string} position
 * @param {string} target
 */
export function hasReached(position, target) {
  const [, seconds, increment, build] = form.exec(position) ?? [];
  const [, targetSeconds, targetIncrement, targetBuild] = form.exec(target) ?? [];
  if (build !== targetBuild) return true;
  return (Number(seconds) - Number(targetSeconds) || Number(increment) - Number(targetIncrement)) >= 0;
}
