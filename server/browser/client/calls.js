// @ts-check
/**
 * Calls: one POST each, tried again where that can do no harm.
 *
 * A query changes nothing. A mutation and an action carry an Idempotency-Key, one for all
 * attempts, so that the server runs them once however often they arrive. What the server says
 * may be tried "after" a while, and an answer that never came, is tried again; nothing else is.
 */

import { request } from "./access.js";
import { retryDelayMs } from "./backoff.js";
import { HeadwaterError, networkError } from "./errors.js";
import { callAttemptsMax, callMsMax } from "./limits.js";

/** @import { Access } from "./access.js" */
/** @import { Timers } from "./create_client.js" */
/** @import { Json } from "./patch.js" */
/** @import { Kind } from "./references.js" */

/**
 * @typedef {object} CallOptions
 * @property {AbortSignal} [signal] Gives the call up; the promise is rejected with its reason.
 * @property {boolean} [keepalive] It is sent even if the page goes meanwhile, as from `pagehide`,
 *   once, with arguments of some 60 KB at the most.
 */

/**
 * @typedef {object} IdempotencyOptions
 * @property {string} [idempotencyKey] Equal keys run once, whoever calls; absent: a new one.
 */

/**
 * @typedef {object} WaitOptions
 * @property {boolean} [wait] Resolve with what the action returns, not with its early response.
 */

/** @typedef {CallOptions & WaitOptions & { idempotencyKey?: string | undefined }} Options */

/**
 * @typedef {object} Answer
 * @property {Json} value
 * @property {string} position
 * @property {string} client How the client was named to the server.
 */

export class Calls {
  #access;
  #clientId;
  #timers;
  #random;
  /** @type {Set<(counts: any) => void>} */
  #pauses = new Set();

  /**
   * @param {Access} access
   * @param {() => string} clientId
   * @param {Timers} timers
   * @param {() => number} random
   */
  constructor(access, clientId, timers, random) {
    this.#access = access;
    this.#clientId = clientId;
    this.#timers = timers;
    this.#random = random;
  }

  /** Try again now what waits to be tried again. */
  wake() {
    for (const resume of [...this.#pauses]) resume(0);
  }

  /**
   * @param {Kind} kind
   * @param {string} functionName
   * @param {object} args
   * @param {Options} options
   * @returns {Promise<Answer>}
   * @throws {HeadwaterError} The last attempt's.
   */
  async call(kind, functionName, args, options) {
    const { wait, signal, keepalive } = options;
    const name = encodeURIComponent(functionName);
    const url = `${this.#access.url}/api/${kind}/${name}${wait ? "?wait=true" : ""}`;
    const body = JSON.stringify(args);
    // One name for all attempts: the server knows the call by that of the first that arrives.
    const client = this.#clientId();
    for (let attempt = 1; ; ) {
      signal?.throwIfAborted();
      try {
        return { ...(await this.#attempt(url, body, client, options)), client };
      } catch (error) {
        signal?.throwIfAborted();
        const again = error instanceof HeadwaterError && error.retry === "after";
        if (!again || keepalive || attempt >= callAttemptsMax) throw error;
        attempt += await this.#pause(retryDelayMs(attempt, error.retryAfterMs, this.#random), signal);
      }
    }
  }

  /**
   * @param {string} url
   * @param {string} body
   * @param {string} client
   * @param {Options} options
   * @returns {Promise<{ value: Json, position: string }>}
   */
  async #attempt(url, body, client, { idempotencyKey, wait, signal, keepalive }) {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    const deadline = wait ? undefined : this.#timers.setTimeout(abort, callMsMax);
    const ending = signal ? AbortSignal.any([signal, attempt.signal]) : attempt.signal;
    try {
      const headers = {
        "Headwater-Client": client,
        ...(idempotencyKey !== undefined && { "Idempotency-Key": idempotencyKey }),
      };
      const response = await request(this.#access, url, ending, body, headers, keepalive);
      return await response.json();
    } catch (cause) {
      if (cause instanceof HeadwaterError) throw cause;
      throw networkError(cause);
    } finally {
      this.#timers.clearTimeout(deadline);
    }
  }

  /**
   * @param {number} delayMs
   * @param {AbortSignal} [signal]
   * @returns {Promise<number>} How many attempts the next one counts as: none, if somebody looks in
   *   again and again while the network is away.
   */
  #pause(delayMs, signal) {
    return new Promise((resolve) => {
      /** @param {any} counts */
      const resume = (counts) => {
        this.#timers.clearTimeout(timer);
        this.#pauses.delete(resume);
        signal?.removeEventListener("abort", resume);
        resolve(counts);
      };
      const timer = this.#timers.setTimeout(() => resume(1), delayMs);
      this.#pauses.add(resume);
      signal?.addEventListener("abort", resume);
    });
  }
}
