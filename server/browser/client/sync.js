// @ts-check
/**
 * Keeps what is shown in step with the server, whatever happens to connections.
 *
 *               first query            first message
 *     (idle) ──────────────▶ opening ─────────────────▶ current ◀───────────────┐
 *        ▲                    │  ▲                       │   │ set changed       │ the next stream
 *        │ no query left      │  │ delay over    failure │   ▼                   │ has passed it
 *        │            failure ▼  │                       │  current and next ────┘
 *        └──────────────── waiting ◀─────────────────────┘
 *
 *     a refusal that says "never" ─▶ closed, until the set changes
 *
 * A stream's query set is fixed. To change the set, a second stream is opened beside the first,
 * from the positions held at that moment, with results of its own; nobody sees them until it has
 * passed the first. If it does not in time, both are closed and one is opened from what is seen.
 * In each case every query moves from one position to a later one, once, and all together.
 *
 * Invariants:
 *   1. What is told is `results` and nothing else: the current stream's, when there is one.
 *   2. At most one stream is current and one is next; at most one retry is pending.
 *   3. A stream that is closed changes nothing.
 */

import { retryDelayMs } from "./backoff.js";
import { HeadwaterError } from "./errors.js";
import { handoverMsMax, queriesMax, steadyMs } from "./limits.js";
import { ObservableValue } from "./observable.js";
import { hasReached } from "./position.js";
import { Results } from "./results.js";
import { Stream } from "./stream.js";

/** @import { Timers } from "./create_client.js" */
/** @import { Change } from "./results.js" */
/** @import { OpenSource } from "./source.js" */
/** @import { Wanted } from "./stream.js" */

/** @typedef {"connecting" | "live" | "reconnecting" | "closed"} ConnectionState */

/**
 * Hears of every move, whether something changed or not. How far it led, `results` say.
 * @typedef {(changes: Change[]) => void} OnChanges
 */

/** @typedef {(onUpdate: OnChanges, results?: Results) => Sync} OpenSync */

export class Sync {
  connectionState = new ObservableValue(/** @type {ConnectionState} */ ("connecting"));

  #openSource;
  #timers;
  #random;
  #onUpdate;
  /** @type {Wanted[]} */
  #wanted = [];
  /** What has been told; with each stream that takes over it is another's. */
  results;
  /** @type {Stream | null} */
  #current = null;
  /** @type {Stream | null} */
  #next = null;
  #failures = 0;
  #retriedAtMs = 0;
  #retryDueMs = 0;
  /** @type {ReturnType<Timers["setTimeout"]> | undefined} */
  #retry;
  /** @type {ReturnType<Timers["setTimeout"]> | undefined} */
  #handover;

  /**
   * @param {object} parts
   * @param {OpenSource} parts.openSource
   * @param {Timers} parts.timers
   * @param {() => number} parts.random
   * @param {OnChanges} parts.onUpdate
   * @param {Results} [parts.results] What is held already, to continue from.
   */
  constructor({ openSource, timers, random, onUpdate, results = new Results() }) {
    this.#openSource = openSource;
    this.#timers = timers;
    this.#random = random;
    this.#onUpdate = onUpdate;
    this.results = results;
  }

  /**
   * Follow these queries from now on, and no others.
   * @param {Wanted[]} queries
   */
  want(queries) {
    this.#wanted = queries.slice(0, queriesMax);
    this.#reconcile();
    const beyond = queries.slice(queriesMax);
    if (beyond.length === 0) return;
    const message = `More than ${queriesMax} queries are too many.`;
    this.#tell(new HeadwaterError(message, { code: "too_large", retry: "never" }), beyond);
  }

  /**
   * What has been told of these queries, for who did not hear it.
   * @param {Iterable<string>} keys
   * @returns {Change[]}
   */
  told(keys) {
    if (this.connectionState.value === "connecting") return [];
    return [...keys].flatMap((key) => {
      const result = this.results.get(key);
      return result ? { key, result } : [];
    });
  }

  /** Try again now: the network is said to be back, the machine has woken, somebody signed in. */
  wake() {
    this.#failures = 0;
    this.#tryAgain();
    this.#checkSilence();
  }

  /** Do what is due, where timers may be late. */
  nudge() {
    if (this.#retry !== undefined && this.#timers.now() >= this.#retryDueMs) this.#tryAgain();
    this.#checkSilence();
  }

  #checkSilence() {
    this.#current?.checkSilence();
    this.#next?.checkSilence();
  }

  /** End for good: nothing may be wanted any more. */
  close() {
    this.#cancelRetry();
    this.#closeStreams();
    this.connectionState.set("closed");
  }

  /** Make the streams fit the query set. A pending retry will ask for the whole set anyway. */
  #reconcile() {
    const wanted = this.#wanted;
    if (wanted.length === 0) {
      this.#cancelRetry();
      this.#failures = 0;
      this.#closeStreams();
      this.results = new Results();
      this.connectionState.set("connecting");
      return;
    }
    if (this.#retry !== undefined || this.#next?.serves(wanted)) return;
    this.#dropNext();
    if (this.#current?.serves(wanted)) return;
    if (this.connectionState.value === "closed") this.connectionState.set("connecting");
    const results = this.results.fork(wanted);
    this.#next = new Stream(wanted, results, this.#openSource, this.#timers, {
      onProgress: (stream, changes) => this.#progress(stream, changes),
      onFailure: (stream, error) => this.#fail(stream, error),
    });
  }

  /**
   * @param {Stream} stream
   * @param {Change[]} changes
   */
  #progress(stream, changes) {
    if (stream === this.#current) this.#onUpdate(changes);
    const next = this.#next;
    if (!next?.begun) return;
    const passes = hasReached(next.results.position, this.#current?.results.position);
    if (passes) return this.#promote(next);
    this.#handover ??= this.#timers.setTimeout(() => this.#startOver(), handoverMsMax);
  }

  /** @param {Stream} next */
  #promote(next) {
    this.#next = null;
    this.#closeStreams();
    this.#current = next;
    next.results.shareWith(this.results);
    this.results = next.results;
    this.connectionState.set("live");
    this.#onUpdate(this.told(next.wanted));
  }

  /** Close both streams, and open one from what is seen. */
  #startOver() {
    this.#closeStreams();
    this.#reconcile();
  }

  /**
   * @param {Stream} stream
   * @param {HeadwaterError} error
   */
  #fail(stream, error) {
    const steady = stream.begun && this.#timers.now() - this.#retriedAtMs >= steadyMs;
    this.#failures = steady ? 1 : this.#failures + 1;
    const startAnew = error.retry === "resync";
    const current = stream === this.#current || startAnew ? null : this.#current;
    if (current) this.#dropNext();
    else this.#closeStreams();
    if (startAnew) this.results.forgetPositions();
    if (error.retry === "never") return this.#refuse(error, current);
    if (!current && this.connectionState.value !== "connecting") {
      this.connectionState.set("reconnecting");
    }
    if (this.#retry !== undefined) return;
    const delayMs = retryDelayMs(this.#failures, error.retryAfterMs, this.#random);
    this.#retryDueMs = this.#timers.now() + delayMs;
    this.#retry = this.#timers.setTimeout(() => this.#tryAgain(), delayMs);
  }

  #tryAgain() {
    this.#cancelRetry();
    this.#retriedAtMs = this.#timers.now();
    this.#reconcile();
  }

  /**
   * Tell those who wait for the refused stream, and wait for another set ourselves.
   * @param {HeadwaterError} error
   * @param {Stream | null} current Serves the others, when there is one.
   */
  #refuse(error, current) {
    if (!current) {
      this.results = new Results();
      this.connectionState.set("closed");
    }
    this.#tell(
      error,
      this.#wanted.filter(({ key }) => !current?.wanted.has(key)),
    );
  }

  /**
   * @param {HeadwaterError} error
   * @param {Wanted[]} queries
   */
  #tell(error, queries) {
    const result = { error, at: null, resumable: false };
    this.#onUpdate(queries.map(({ key }) => ({ key, result })));
  }

  #closeStreams() {
    this.#dropNext();
    this.#current?.close();
    this.#current = null;
  }

  #dropNext() {
    this.#timers.clearTimeout(this.#handover);
    this.#handover = undefined;
    this.#next?.close();
    this.#next = null;
  }

  #cancelRetry() {
    this.#timers.clearTimeout(this.#retry);
    this.#retry = undefined;
  }
}
