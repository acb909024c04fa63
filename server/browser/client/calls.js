// @ts-check
/**
 * Calls: one POST each, tried again where that can do no harm.
 *
 * A query changes nothing. A mutation and an action carry an Idempotency-Key, one for all
 * attempts, so that the server runs them once however often they arrive. What the server says
 * may be tried "after" a while, and an answer that never came, is tried again; nothing else is.
 */

import { retryDelayMs } from "./backoff.js";
import { errorFromResponse, HeadwaterError, networkError } from "./errors.js";
import { callAttemptsMax, callMsMax } from "./limits.js";
import { randomId } from "./random_id.js";

/** @import { Timers } from "./create_client.js" */
/** @import { Json } from "./patch.js" */

/**
 * @typedef {object} CallOptions
 * @property {AbortSignal} [signal] Gives the call up; the promise is rejected with its reason.
 */

/**
 * @typedef {object} IdempotencyOptions
 * @property {string} [idempotencyKey] Equal keys run once, whoever calls; absent: a new one.
 */

/**
 * @typedef {object} WaitOptions
 * @property {boolean} [wait] Resolve with what the action returns, not with its early response.
 */

/** @typedef {CallOptions & IdempotencyOptions & WaitOptions} AnyCallOptions */

export class Calls {
  #url;
  #clientId;
  #fetch;
  #timers;
  #random;

  /**
   * @param {object} parts
   * @param {string} parts.url
   * @param {string} parts.clientId
   * @param {typeof fetch} parts.fetch
   * @param {Timers} parts.timers
   * @param {() => number} parts.random
   */
  constructor({ url, clientId, fetch, timers, random }) {
    this.#url = url;
    this.#clientId = clientId;
    this.#fetch = fetch;
    this.#timers = timers;
    this.#random = random;
  }

  /**
   * @param {"query" | "mutation" | "action"} kind
   * @param {string} functionName
   * @param {object} args
   * @param {AnyCallOptions} options
   * @returns {Promise<Json>} The function's value.
   * @throws {HeadwaterError} The last attempt's.
   */
  async call(kind, functionName, args, { idempotencyKey, wait = false, signal }) {
    const search = wait ? "?wait=true" : "";
    const url = `${this.#url}/api/${kind}/${encodeURIComponent(functionName)}${search}`;
    /** @type {Record<string, string>} */
    const headers = { "Content-Type": "application/json", "Headwater-Client": this.#clientId };
    if (kind !== "query") headers["Idempotency-Key"] = idempotencyKey ?? randomId();
    const request = { method: "POST", headers, body: JSON.stringify(args) };
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#attempt(url, request, wait, signal);
      } catch (error) {
        signal?.throwIfAborted();
        const again = error instanceof HeadwaterError && error.retry === "after";
        if (!again || attempt >= callAttemptsMax) throw error;
        await this.#pause(retryDelayMs(attempt, error.retryAfterMs, this.#random), signal);
      }
    }
  }

  /**
   * @param {string} url
   * @param {RequestInit} request
   * @param {boolean} wait
   * @param {AbortSignal} [signal]
   * @returns {Promise<Json>}
   */
  async #attempt(url, request, wait, signal) {
    const attempt = new AbortController();
    const abort = () => attempt.abort();
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort);
    const deadline = wait ? undefined : this.#timers.setTimeout(abort, callMsMax);
    try {
      const response = await this.#fetch(url, { ...request, signal: attempt.signal });
      if (!response.ok) throw await errorFromResponse(response);
      return (await response.json()).value;
    } catch (cause) {
      if (cause instanceof HeadwaterError) throw cause;
      throw networkError("The server gave no answer.", cause);
    } finally {
      this.#timers.clearTimeout(deadline);
      signal?.removeEventListener("abort", abort);
    }
  }

  /**
   * @param {number} delayMs
   * @param {AbortSignal} [signal]
   * @returns {Promise<void>}
   */
  #pause(delayMs, signal) {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#timers.clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = this.#timers.setTimeout(() => {
        signal?.removeEventListener("abort", abort);
        resolve();
      }, delayMs);
      signal?.addEventListener("abort", abort);
    });
  }
}
