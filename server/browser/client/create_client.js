// @ts-check
/**
 * Headwater's client: live queries over one stream, and calls.
 *
 *     const headwater = createClient();
 *     const unsubscribe = headwater.subscribe("tasks.list", {}, (tasks) => show(tasks));
 *     const task = await headwater.mutation("tasks.create", { title: "Read the reports" });
 *
 * Values are shared between subscribers and between one change and the next: do not modify them.
 */

import { Calls } from "./calls.js";
import { randomId } from "./random_id.js";
import { createOpenSource } from "./source.js";
import { Sync } from "./sync.js";

/** @import { CallOptions, IdempotencyOptions, WaitOptions } from "./calls.js" */
/** @import { Observable } from "./observable.js" */
/** @import { Listener } from "./query_set.js" */
/** @import { ConnectionState } from "./sync.js" */

export { HeadwaterError } from "./errors.js";

/**
 * The clock, as a test may want to hold it.
 * @typedef {object} Timers
 * @property {(callback: () => void, delayMs: number) => number} setTimeout
 * @property {(timer: number | undefined) => void} clearTimeout
 * @property {() => number} now Milliseconds, from any start, never backwards.
 */

/**
 * @typedef {object} ClientOptions
 * @property {string} [url] The server's origin; absent: the page's own.
 * @property {typeof globalThis.fetch} [fetch]
 * @property {typeof globalThis.EventSource} [EventSource]
 * @property {string} [clientId] Names this client to the server, on the stream and on calls.
 * @property {Timers} [timers]
 * @property {() => number} [random]
 */

/** @typedef {ReturnType<typeof createClient>} Client */

/** @type {Timers} */
const realTimers = {
  setTimeout: (callback, delayMs) => /** @type {any} */ (globalThis.setTimeout(callback, delayMs)),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
  now: () => performance.now(),
};

/** @param {ClientOptions} [options] */
export function createClient({
  url = "",
  fetch = (input, init) => globalThis.fetch(input, init),
  EventSource = globalThis.EventSource,
  clientId = randomId(),
  timers = realTimers,
  random = Math.random,
} = {}) {
  const openSource = createOpenSource({ url, clientId, fetch, EventSource });
  const sync = new Sync({ openSource, timers, random });
  const calls = new Calls({ url, clientId, fetch, timers, random });
  const wake = () => sync.wake();
  globalThis.addEventListener?.("online", wake);

  /** @type {Observable<ConnectionState>} */
  const connectionState = sync.connectionState;

  return {
    clientId,

    /** How the stream fares; "closed" after `close`, or when the server refused it for good. */
    connectionState,

    /**
     * Hear a query's value now and whenever it changes.
     * @template [T=unknown]
     * @param {string} functionName
     * @param {object} args
     * @param {((value: T) => void) | Listener<T>} listener
     * @returns {() => void} Unsubscribes.
     */
    subscribe(functionName, args, listener) {
      const whole = typeof listener === "function" ? { onChange: listener } : listener;
      return sync.queries.subscribe(functionName, args, /** @type {Listener<any>} */ (whole));
    },

    /**
     * Read a query's value once.
     * @template [T=unknown]
     * @param {string} functionName
     * @param {object} [args]
     * @param {CallOptions} [options]
     * @returns {Promise<T>}
     */
    query(functionName, args = {}, options = {}) {
      return /** @type {Promise<any>} */ (calls.call("query", functionName, args, options));
    },

    /**
     * Change something, once, however often the network fails on the way.
     * @template [T=unknown]
     * @param {string} functionName
     * @param {object} [args]
     * @param {CallOptions & IdempotencyOptions} [options]
     * @returns {Promise<T>}
     */
    mutation(functionName, args = {}, options = {}) {
      return /** @type {Promise<any>} */ (calls.call("mutation", functionName, args, options));
    },

    /**
     * Start an action; resolves with its first response, or with `wait` when it is done.
     * @template [T=unknown]
     * @param {string} functionName
     * @param {object} [args]
     * @param {CallOptions & IdempotencyOptions & WaitOptions} [options]
     * @returns {Promise<T>}
     */
    action(functionName, args = {}, options = {}) {
      return /** @type {Promise<any>} */ (calls.call("action", functionName, args, options));
    },

    /** End the stream and every subscription. */
    close() {
      globalThis.removeEventListener?.("online", wake);
      sync.close();
    },
  };
}
