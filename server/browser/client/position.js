// @ts-check
/**
 * How far two positions are along the same history.
 *
 * A position is handed back exactly as it came. It may be compared with another of its build:
 * `<seconds>.<increment>~<build>`, perhaps with a "-" at its end.
 */

/** @param {string} text */
export function isPosition(text) {
  return /^\d+\.\d+~[^~]{1,40}$/.test(text);
}

/**
 * Whether whoever is at `position` has seen what was done at `target`. Positions of different
 * builds cannot be compared; a server of another build has begun with snapshots, and counts.
 * @param {string} position
 * @param {string} target
 */
export function hasReached(position, target) {
  const [seconds, increment, build] = parts(position);
  const [targetSeconds, targetIncrement, targetBuild] = parts(target);
  if (build !== targetBuild) return true;
  return seconds === targetSeconds ? increment >= targetIncrement : seconds > targetSeconds;
}

/**
 * @param {string} position
 * @returns {[number, number, string]}
 */
function parts(position) {
  const [time = "", build = ""] = position.split("~");
  const [seconds, increment] = time.split(".");
  return [Number(seconds), Number(increment), build.replace("-", "")];
}
