// @ts-check
/**
 * When what came is shown: once for each frame that is drawn.
 *
 * A hidden tab draws none, and a worker may have no frames at all; a timer stands in for them.
 */

import { frameMsMax } from "./limits.js";

/** @param {() => void} callback Called once, soon. */
export function nextFrame(callback) {
  const { requestAnimationFrame, cancelAnimationFrame } = globalThis;
  if (!requestAnimationFrame) return void setTimeout(callback);
  const run = () => {
    clearTimeout(timer);
    cancelAnimationFrame(frame);
    callback();
  };
  const frame = requestAnimationFrame(run);
  const timer = setTimeout(run, frameMsMax);
}
