// @ts-check
/** Waits until what is shown includes what an answer tells of, within limits. */

import { passMsMax } from "./limits.js";

/** @import { Answer } from "./calls.js" */
/** @import { Timers } from "./create_client.js" */

export class Passing {
  /** @type {Map<() => void, Answer>} */
  #waiting = new Map();
  #timers;
  #hasPassed;

  /**
   * @param {Timers} timers
   * @param {(answer: Answer) => boolean} hasPassed
   */
  constructor(timers, hasPassed) {
    this.#timers = timers;
    this.#hasPassed = hasPassed;
  }

  /**
   * @param {Answer} answer
   * @param {() => void} callback Called once: when its position has been passed, or taken too long.
   */
  wait(answer, callback) {
    if (this.#hasPassed(answer)) return callback();
    const done = () => {
      this.#timers.clearTimeout(timer);
      if (this.#waiting.delete(done)) callback();
    };
    const timer = this.#timers.setTimeout(done, passMsMax);
    this.#waiting.set(done, answer);
  }

  /** Something has moved. */
  check() {
    this.#waiting.forEach((answer, done) => this.#hasPassed(answer) && done());
  }

  /** Nothing will move any more. */
  end() {
    this.#waiting.forEach((_, done) => done());
  }
}
