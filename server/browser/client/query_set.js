// @ts-check
/**
 * What the page asked for: its subscriptions, gathered into queries, and what each of them shows.
 *
 * Subscriptions to one function with equal arguments share one query, named by its key. A query
 * that nobody wants any more is followed a little longer, for whoever comes back to it. Nothing
 * here knows how a result arrives, or whether there is a connection.
 *
 * Everything that came since the last frame is shown at once: all values first, then all who
 * listen are told.
 */

import { lingeringMax, lingerMs } from "./limits.js";
import { Layers } from "./optimistic.js";
import { attempt } from "./report.js";
import { share } from "./share.js";

/** @import { HeadwaterError } from "./errors.js" */
/** @import { Timers } from "./create_client.js" */
/** @import { OptimisticUpdate } from "./optimistic.js" */
/** @import { Change, Result } from "./results.js" */

/**
 * @template T
 * @typedef {object} Listener
 * @property {(value: T) => void} onChange
 * @property {(error: HeadwaterError) => void} [onError] A value may follow: an error can pass.
 */

/**
 * A query's value or its error; the same object until it changes.
 * @template T
 * @typedef {object} Shown
 * @property {T} [value]
 * @property {HeadwaterError} [error]
 */

/**
 * A query that can be followed. Nothing is opened before somebody subscribes.
 * @template T
 * @typedef {object} LiveQuery
 * @property {string} key Equal for an equal function and equal arguments.
 * @property {Shown<T> | undefined} result What is known now; undefined: nothing yet.
 * @property {(onChange: () => void) => () => void} subscribe Unsubscribes by what it returns.
 *   `onChange` is called after each change of `result`, at most once a frame.
 */

/**
 * A value that was read elsewhere, such as on a server that rendered the page; plain JSON.
 * @template T
 * @typedef {object} Preloaded
 * @property {string} function
 * @property {object} args
 * @property {T} value
 * @property {string} position
 */

/**
 * @typedef {object} Query
 * @property {string} key
 * @property {string} function
 * @property {object} args
 * @property {Set<() => void>} listeners
 * @property {Result | undefined} base What the server said last.
 * @property {Shown<any> | undefined} shown What the listeners were told last.
 * @property {ReturnType<Timers["setTimeout"]> | undefined} linger Runs while nobody listens.
 */

export class QuerySet {
  /** @type {Map<string, Query>} */
  #byKey = new Map();
  /** @type {Set<string>} */
  #changed = new Set();
  /** @type {Set<string>} */
  #overlaid = new Set();
  #layers = new Layers();
  #framing = false;
  /** @type {(() => void)[]} */
  #awaiting = [];
  #ended = false;
  /** @type {ReturnType<Timers["setTimeout"]> | undefined} */
  #tick;
  #timers;
  #onWanted;

  /**
   * @param {Timers} timers
   * @param {(queries: Query[]) => void} onWanted Told after each tick in which a query was new or
   *   no longer wanted, such as one in which a page leaves one for another.
   */
  constructor(timers, onWanted) {
    this.#timers = timers;
    this.#onWanted = onWanted;
  }

  /** @returns {Query[]} Those that are to be followed. */
  list() {
    return [...this.#byKey.values()];
  }

  /**
   * @param {string} functionName
   * @param {object} args
   * @param {Preloaded<any>} [preloaded] Shown until the server says more, and continued from.
   * @returns {LiveQuery<any>}
   */
  live(functionName, args, preloaded) {
    const key = keyOf(functionName, args);
    /** @type {Result | undefined} */
    const early = preloaded && {
      value: preloaded.value,
      at: preloaded.position,
      resumable: true,
    };
    const find = () => this.#byKey.get(key);
    return {
      key,
      get result() {
        return find()?.shown ?? early;
      },
      subscribe: (onChange) => {
        const query = this.#follow(key, functionName, args);
        if (early && !query.base) {
          query.base = query.shown = early;
          query.listeners.forEach(attempt); // of those who have none themselves
        }
        // A listener that is given twice is two subscriptions.
        const listener = () => onChange();
        query.listeners.add(listener);
        return () => this.#leave(query, listener);
      },
    };
  }

  /**
   * Hear a value at once, if it is known, and whenever it changes.
   * @param {string} functionName
   * @param {object} args
   * @param {Listener<any>} listener
   * @returns {() => void} Ends the subscription; calling it again does nothing.
   */
  subscribe(functionName, args, listener) {
    const live = this.live(functionName, args);
    /** @type {Shown<any> | undefined} */
    let told;
    const tell = () => {
      const { result } = live;
      if (!result || result === told) return;
      told = result;
      const { value, error } = result;
      if (!error) listener.onChange(value);
      else if (listener.onError) listener.onError(error);
      else console.error(functionName, error);
    };
    let listening = tell;
    const unsubscribe = live.subscribe(() => listening());
    queueMicrotask(() => attempt(listening, undefined));
    return () => {
      listening = () => undefined;
      unsubscribe();
    };
  }

  /**
   * Take what the server says, to be shown with the next frame.
   * @param {Change[]} changes
   */
  update(changes) {
    for (const { key, result } of changes) {
      const query = this.#byKey.get(key);
      if (!query) continue;
      query.base = result;
      this.#changed.add(key);
    }
    this.#showSoon();
  }

  /**
   * Lay an update over the values.
   * @param {OptimisticUpdate} update
   * @returns {() => void} Takes it away again.
   */
  overlay(update) {
    const remove = this.#layers.add(update);
    this.#showSoon();
    return () => {
      remove();
      this.#showSoon();
    };
  }

  /** Nobody hears anything from now on. */
  close() {
    this.#ended = true;
    for (const { linger } of this.#byKey.values()) this.#timers.clearTimeout(linger);
  }

  #tellSoon() {
    this.#tick ??= this.#timers.setTimeout(() => {
      this.#tick = undefined;
      if (this.#ended) return;
      for (const [key, { listeners, linger }] of this.#byKey) {
        if (listeners.size === 0 && linger === undefined) this.#byKey.delete(key);
      }
      this.#onWanted(this.list());
    }, 0);
  }

  /** @param {() => void} callback Called when all that has come is shown. */
  whenShown(callback) {
    if (this.#framing) this.#awaiting.push(callback);
    else callback();
  }

  #showSoon() {
    if (this.#framing) return;
    this.#framing = true;
    this.#timers.nextFrame(() => {
      this.#framing = false;
      if (!this.#ended) this.#show();
      for (const callback of this.#awaiting.splice(0)) callback();
    });
  }

  #show() {
    const overlays = this.#layers.values(keyOf, (key) => this.#byKey.get(key)?.base?.value);
    const wasOverlaid = this.#overlaid;
    const keys = new Set([...this.#changed, ...wasOverlaid, ...overlays.keys()]);
    this.#changed.clear();
    this.#overlaid = new Set(overlays.keys());
    const told = [];
    for (const key of keys) {
      const query = this.#byKey.get(key);
      const shown = query?.shown;
      /** @type {Shown<any> | undefined} */
      let next = overlays.has(key) ? { value: overlays.get(key) } : query?.base;
      if (next && (overlays.has(key) || wasOverlaid.has(key)))
        next = { ...next, value: share(shown?.value, next.value) };
      if (!query || (shown?.value === next?.value && shown?.error === next?.error)) continue;
      query.shown = next;
      told.push(...query.listeners);
    }
    // A listener that throws must not keep the others from hearing.
    told.forEach(attempt);
  }

  /**
   * @param {string} key
   * @param {string} functionName
   * @param {object} args
   */
  #follow(key, functionName, args) {
    const known = this.#byKey.get(key);
    if (known) {
      this.#timers.clearTimeout(known.linger);
      known.linger = undefined;
      return known;
    }
    /** @type {Query} */
    const query = {
      key,
      function: functionName,
      args,
      listeners: new Set(),
      base: undefined,
      shown: undefined,
      linger: undefined,
    };
    this.#byKey.set(key, query);
    this.#tellSoon();
    return query;
  }

  /**
   * @param {Query} query
   * @param {() => void} listener
   */
  #leave(query, listener) {
    if (!query.listeners.delete(listener) || query.listeners.size > 0) return;
    if (!query.base) return this.#remove(query); // there is nothing to come back to
    this.#byKey.delete(query.key);
    this.#byKey.set(query.key, query); // the last in order, since it was left last
    query.linger = this.#timers.setTimeout(() => this.#remove(query), lingerMs);
    const lingering = [...this.#byKey.values()].filter((one) => one.linger !== undefined);
    if (lingering.length > lingeringMax) this.#remove(/** @type {Query} */ (lingering[0]));
  }

  /** @param {Query} query */
  #remove(query) {
    this.#timers.clearTimeout(query.linger);
    query.linger = undefined;
    this.#tellSoon();
  }
}

/**
 * A function and its arguments as one text, the same in whatever order they are written.
 * @param {string} functionName
 * @param {unknown} args
 */
function keyOf(functionName, args) {
  const canonical = JSON.stringify(args, (_, part) => {
    if (part !== Object(part) || Array.isArray(part)) return part;
    return Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)));
  });
  return `${functionName} ${canonical}`;
}
