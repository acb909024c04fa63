// @ts-check
/** Waits until what is shown includes what was done at a position, within limits. */

import { passMsMax } from "./limits.js";

/** @import { Timers } from "./create_client.js" */

export class Passing {
  /** @type {Map<() => void, string>} */
  #waiting = new Map();
  #timers;
  #hasPassed;

  /**
   * @param {Timers} timers
   * @param {(position: string) => boolean} hasPassed
   */
  constructor(timers, hasPassed) {
    this.#timers = timers;
    this.#hasPassed = hasPassed;
  }

  /**
   * @param {string} position
   * @param {() => void} callback Called once: when it has been passed, or taken too long.
   */
  wait(position, callback) {
    if (this.#hasPassed(position)) return callback();
    const done = () => {
      this.#timers.clearTimeout(timer);
      if (this.#waiting.delete(done)) callback();
    };
    const timer = this.#timers.setTimeout(done, passMsMax);
    this.#waiting.set(done, position);
  }

  /** Something has moved. */
  check() {
    for (const [done, position] of [...this.#waiting]) if (this.#hasPassed(position)) done();
  }

  /** Nothing will move any more. */
  end() {
    for (const done of [...this.#waiting.keys()]) done();
  }
}
