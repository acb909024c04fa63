// @ts-check
/** How long to wait before trying again. */

import { retryDelayMsMax, retryDelayMsMin } from "./limits.js";

/**
 * Doubling delays, each drawn from the upper half of its range, so that the clients of a server
 * that restarts do not all come back in the same moment.
 * @param {number} failures How many came in a row; at least 1.
 * @param {number | null} retryAfterMs What the server asked for, which is never undercut.
 * @param {() => number} random From 0 to 1.
 * @returns {number} Milliseconds.
 */
export function retryDelayMs(failures, retryAfterMs, random) {
  const range = Math.min(retryDelayMsMax, retryDelayMsMin * 2 ** Math.min(failures - 1, 16));
  const drawn = range * (0.5 + random() / 2);
  return retryAfterMs === null ? drawn : retryAfterMs + drawn / 2;
}
