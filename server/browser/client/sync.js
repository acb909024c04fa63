// @ts-check
/**
 * Keeps what subscribers see in step with the server, whatever happens to connections.
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
 * passed the first. Positions can only be compared for equality, so it counts as having passed
 * when it has begun and the first has not moved since, or when it has been where the first is.
 * If neither comes about in time, both are closed and one is opened from what is seen. In each
 * case every query moves from one position to a later one, once, and all of them together.
 *
 * Invariants:
 *   1. Subscribers see `#results` and nothing else: the current stream's, when there is one.
 *   2. At most one stream is current and one is next; at most one retry is pending.
 *   3. A stream that is closed changes nothing.
 */

import { retryDelayMs } from "./backoff.js";
import { handoverMsMax, steadyMs } from "./limits.js";
import { ObservableValue } from "./observable.js";
import { QuerySet } from "./query_set.js";
import { Results } from "./results.js";
import { Stream } from "./stream.js";

/** @import { Timers } from "./create_client.js" */
/** @import { HeadwaterError } from "./errors.js" */
/** @import { OpenSource } from "./source.js" */

/** @typedef {"connecting" | "live" | "reconnecting" | "closed"} ConnectionState */

export class Sync {
  queries = new QuerySet(() => this.#reconcileSoon());
  connectionState = new ObservableValue(/** @type {ConnectionState} */ ("connecting"));

  #openSource;
  #timers;
  #random;
  #results = new Results();
  /** @type {Stream | null} */
  #current = null;
  /** @type {Stream | null} */
  #next = null;
  #ended = false;
  #failures = 0;
  #retriedAtMs = 0;
  /** @type {ReturnType<Timers["setTimeout"]> | undefined} */
  #tick;
  /** @type {ReturnType<Timers["setTimeout"]> | undefined} */
  #retry;
  /** @type {ReturnType<Timers["setTimeout"]> | undefined} */
  #handover;

  /**
   * @param {object} parts
   * @param {OpenSource} parts.openSource
   * @param {Timers} parts.timers
   * @param {() => number} parts.random
   */
  constructor({ openSource, timers, random }) {
    this.#openSource = openSource;
    this.#timers = timers;
    this.#random = random;
  }

  /** Try again now, if a retry is pending: the network is said to be back. */
  wake() {
    if (this.#retry === undefined) return;
    this.#cancelRetry();
    this.#reconcile();
  }

  /** End for good; subscribers hear nothing more. */
  close() {
    this.#ended = true;
    this.#timers.clearTimeout(this.#tick);
    this.#cancelRetry();
    this.#closeStreams();
    this.connectionState.set("closed");
  }

  /** Gather the changes of one tick, such as a page that leaves one query for another. */
  #reconcileSoon() {
    if (this.#ended) return;
    this.#tick ??= this.#timers.setTimeout(() => {
      this.#tick = undefined;
      this.#reconcile();
    }, 0);
  }

  /** Make the streams fit the query set. A pending retry will ask for the whole set anyway. */
  #reconcile() {
    const wanted = this.queries.list();
    if (wanted.length === 0) {
      this.#cancelRetry();
      this.#closeStreams();
      this.#results = new Results();
      this.connectionState.set("connecting");
      return;
    }
    if (this.#retry !== undefined || this.#next?.serves(wanted)) return;
    this.#dropNext();
    if (this.#current?.serves(wanted)) return;
    if (this.connectionState.value === "closed") this.connectionState.set("connecting");
    const results = this.#results.fork(wanted.map((query) => query.id));
    this.#next = new Stream(wanted, results, this.#openSource, this.#timers, {
      onProgress: (stream, changed) => this.#progress(stream, changed),
      onFailure: (stream, error) => this.#fail(stream, error),
    });
  }

  /**
   * @param {Stream} stream
   * @param {string[]} changed
   */
  #progress(stream, changed) {
    if (stream === this.#current) {
      stream.visited.clear();
      this.#show(changed);
    }
    const next = this.#next;
    if (!next?.begun) return;
    if (!this.#current || hasPassed(next, this.#current)) return this.#promote(next);
    this.#handover ??= this.#timers.setTimeout(() => this.#startOver(), handoverMsMax);
  }

  /** @param {Stream} next */
  #promote(next) {
    this.#timers.clearTimeout(this.#handover);
    this.#handover = undefined;
    this.#current?.close();
    this.#current = next;
    this.#next = null;
    this.#results = next.results;
    this.connectionState.set("live");
    this.#show(next.ids);
  }

  /** Close both streams, and open one from what subscribers see. */
  #startOver() {
    this.#closeStreams();
    this.#reconcile();
  }

  /**
   * @param {Stream} stream
   * @param {HeadwaterError} error
   */
  #fail(stream, error) {
    const steady = this.#timers.now() - this.#retriedAtMs >= steadyMs;
    this.#failures = steady ? 1 : this.#failures + 1;
    const startAnew = error.retry === "resync";
    const current = stream === this.#current || startAnew ? null : this.#current;
    if (current) this.#dropNext();
    else this.#closeStreams();
    if (startAnew) this.#results.forgetPositions();
    if (error.retry === "never") return this.#refuse(error, current);
    if (!current) {
      this.connectionState.set(
        this.connectionState.value === "connecting" ? "connecting" : "reconnecting",
      );
    }
    const delayMs = retryDelayMs(this.#failures, error.retryAfterMs, this.#random);
    this.#retry ??= this.#timers.setTimeout(() => {
      this.#retry = undefined;
      this.#retriedAtMs = this.#timers.now();
      this.#reconcile();
    }, delayMs);
  }

  /**
   * Tell those who wait for the refused stream, and wait for another set ourselves.
   * @param {HeadwaterError} error
   * @param {Stream | null} current Serves the others, when there is one.
   */
  #refuse(error, current) {
    if (!current) {
      this.#results = new Results();
      this.connectionState.set("closed");
    }
    for (const { id } of this.queries.list()) {
      if (!current?.ids.has(id)) this.queries.show(id, { error, at: null, resumable: false });
    }
  }

  /** @param {Iterable<string>} ids */
  #show(ids) {
    const results = this.#results;
    for (const id of ids) {
      const result = results.get(id);
      if (result) this.queries.show(id, result);
    }
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
    this.#failures = 0;
  }
}

/**
 * @param {Stream} next
 * @param {Stream} current
 */
function hasPassed(next, current) {
  const position = current.results.position;
  return position === next.openedAt || (position !== null && next.visited.has(position));
}
