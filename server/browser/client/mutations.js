// @ts-check
/**
 * Mutations: one after another, each once, each resolved when what is shown includes it.
 */

import { HeadwaterError } from "./errors.js";
import { mutationsMax } from "./limits.js";
import { randomId } from "./random_id.js";

/** @import { CallOptions, Calls, IdempotencyOptions } from "./calls.js" */
/** @import { OptimisticUpdate } from "./optimistic.js" */
/** @import { Passing } from "./passing.js" */
/** @import { Json } from "./patch.js" */
/** @import { QuerySet } from "./query_set.js" */

/**
 * @typedef {object} OwnMutationOptions
 * @property {OptimisticUpdate} [optimistic] What is shown until the effect itself is, or it fails.
 * @property {boolean} [idempotent] It may be applied twice without harm, as a heartbeat: it is sent
 *   at once, beside others and without a key, and is resolved when it is answered.
 */

/** @typedef {CallOptions & IdempotencyOptions & OwnMutationOptions} MutationOptions */

export class Mutations {
  #calls;
  #queries;
  #passing;
  #waiting = 0;
  /** @type {Promise<unknown>} */
  #last = Promise.resolve();

  /**
   * @param {Calls} calls
   * @param {QuerySet} queries
   * @param {Passing} passing
   */
  constructor(calls, queries, passing) {
    this.#calls = calls;
    this.#queries = queries;
    this.#passing = passing;
  }

  /**
   * @param {string} functionName
   * @param {object} args
   * @param {MutationOptions} options
   * @returns {Promise<Json>}
   * @throws {HeadwaterError}
   */
  async run(functionName, args, options) {
    if (options.idempotent) {
      return (await this.#calls.call("mutation", functionName, args, options)).value;
    }
    const { optimistic, idempotencyKey = randomId() } = options;
    if (this.#waiting >= mutationsMax) {
      const message = `More than ${mutationsMax} mutations wait.`;
      throw new HeadwaterError(message, { code: "too_many", retry: "after" });
    }
    const remove = optimistic && this.#queries.overlay(optimistic);
    this.#waiting += 1;
    const turn = this.#last.then(() => {
      this.#waiting -= 1;
      return this.#calls.call("mutation", functionName, args, { ...options, idempotencyKey });
    });
    this.#last = turn.catch(() => undefined);
    try {
      const answer = await turn;
      return await new Promise((resolve) =>
        this.#passing.wait(answer, () => {
          remove?.();
          this.#queries.whenShown(() => resolve(answer.value));
        }),
      );
    } catch (error) {
      remove?.();
      throw error;
    }
  }
}
