// @ts-check
/**
 * What the page asked for: its subscriptions, gathered into queries.
 *
 * Subscriptions to one function with equal arguments share one query. Nothing here knows how a
 * result arrives, or whether there is a connection.
 */

/** @import { HeadwaterError } from "./errors.js" */
/** @import { Result } from "./results.js" */

/**
 * @template T
 * @typedef {object} Listener
 * @property {(value: T) => void} onChange
 * @property {(error: HeadwaterError) => void} [onError] A value may follow: an error can pass.
 */

/**
 * @typedef {object} Query
 * @property {string} id
 * @property {string} function
 * @property {object} args
 * @property {string} key
 * @property {Set<Listener<unknown>>} listeners Never empty.
 * @property {Result | undefined} shown What the listeners were told last.
 */

export class QuerySet {
  /** @type {Map<string, Query>} */
  #byKey = new Map();
  /** @type {Map<string, Query>} */
  #byId = new Map();
  #count = 0;
  #onQueriesChange;

  /** @param {() => void} onQueriesChange Called when a query is new or no longer wanted. */
  constructor(onQueriesChange) {
    this.#onQueriesChange = onQueriesChange;
  }

  /** @returns {Query[]} */
  list() {
    return [...this.#byId.values()];
  }

  /**
   * @param {string} functionName
   * @param {object} args
   * @param {Listener<unknown>} listener
   * @returns {() => void} Ends the subscription; calling it again does nothing.
   */
  subscribe(functionName, args, listener) {
    const key = `${functionName} ${canonicalJson(args)}`;
    const query = this.#byKey.get(key) ?? this.#create(key, functionName, args);
    // A listener that is given twice is two subscriptions.
    const subscription = { ...listener };
    query.listeners.add(subscription);
    const early = query.shown;
    if (early) {
      queueMicrotask(() => {
        const untold = query.shown === early && query.listeners.has(subscription);
        if (untold) tell(query, subscription, early);
      });
    }
    return () => {
      query.listeners.delete(subscription);
      if (query.listeners.size === 0) this.#remove(query);
    };
  }

  /**
   * @param {string} id
   * @param {Result} result
   */
  show(id, result) {
    const query = this.#byId.get(id);
    if (!query) return;
    const shown = query.shown;
    if (shown && shown.value === result.value && shown.error === result.error) return;
    query.shown = result;
    for (const listener of query.listeners) tell(query, listener, result);
  }

  /**
   * @param {string} key
   * @param {string} functionName
   * @param {object} args
   */
  #create(key, functionName, args) {
    const id = String(++this.#count);
    /** @type {Query} */
    const query = { id, function: functionName, args, key, listeners: new Set(), shown: undefined };
    this.#byKey.set(key, query);
    this.#byId.set(id, query);
    this.#onQueriesChange();
    return query;
  }

  /** @param {Query} query */
  #remove(query) {
    if (!this.#byId.delete(query.id)) return;
    this.#byKey.delete(query.key);
    this.#onQueriesChange();
  }
}

/**
 * A listener that throws must not keep the others from hearing.
 * @param {Query} query
 * @param {Listener<unknown>} listener
 * @param {Result} result
 */
function tell(query, listener, { value, error }) {
  try {
    if (!error) listener.onChange(value);
    else if (listener.onError) listener.onError(error);
    else console.error(`${query.function}: ${error.message}`, error);
  } catch (thrown) {
    (globalThis.reportError ?? console.error)(thrown);
  }
}

/**
 * JSON with sorted keys, so that equal arguments have one form.
 * @param {unknown} value
 * @returns {string}
 */
function canonicalJson(value) {
  return JSON.stringify(value, (_, part) => {
    if (typeof part !== "object" || part === null || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
}
