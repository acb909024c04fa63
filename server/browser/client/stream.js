// @ts-check
/**
 * One connection, and the results that its messages lead to.
 *
 * A stream lives from `open` to its failure or `close`. It takes its own watch: silence is a
 * failure too. What the failure means for the client is decided elsewhere.
 */

import { HeadwaterError, networkError } from "./errors.js";
import { silenceMsMax, silenceOnWakeMsMax } from "./limits.js";
import { isPosition } from "./position.js";
import { OutOfStep } from "./results.js";

/** @import { Change, Entry, Result, Results } from "./results.js" */
/** @import { OpenSource, Source } from "./source.js" */
/** @import { Timers } from "./create_client.js" */

/**
 * A query that is to be followed.
 * @typedef {object} Wanted
 * @property {string} key
 * @property {string} function
 * @property {object} args
 * @property {Result | undefined} [base] What is held of it from elsewhere.
 */

/**
 * A message of the stream, as parsed.
 * @typedef {object} Transition
 * @property {Record<string, Entry>} queries
 * @property {string | null} [from] In the first message: the position that it continues.
 */

/**
 * @typedef {object} StreamHandlers
 * @property {(stream: Stream, changes: Change[]) => void} onProgress After each message.
 * @property {(stream: Stream, error: HeadwaterError) => void} onFailure The stream is closed then.
 */

export class Stream {
  /** Whether the first message has come. */
  begun = false;

  #handlers;
  #timers;
  #closed = false;
  #heardAtMs;
  /** @type {Map<string, string>} */
  #keys = new Map();
  /** @type {ReturnType<Timers["setTimeout"]> | undefined} */
  #watch;
  /** @type {Source} */
  #source;

  /**
   * @param {Wanted[]} queries
   * @param {Results} results The stream's own: what to continue from, then what came of it.
   * @param {OpenSource} openSource
   * @param {Timers} timers
   * @param {StreamHandlers} handlers
   */
  constructor(queries, results, openSource, timers, handlers) {
    this.wanted = new Set(queries.map(({ key }) => key));
    this.results = results;
    this.#timers = timers;
    this.#handlers = handlers;
    this.#heardAtMs = timers.now();
    this.#awaitMessage();
    const requests = queries.map(({ key, function: name, args }, index) => {
      const id = String(index + 1);
      this.#keys.set(id, key);
      return { id, function: name, args, from: results.from(key) };
    });
    this.#source = openSource(requests, {
      onMessage: (data, id) => this.#receive(data, id),
      onFailure: (error) => this.#fail(error),
    });
  }

  /** @param {Wanted[]} queries */
  serves(queries) {
    return queries.length === this.wanted.size && queries.every(({ key }) => this.wanted.has(key));
  }

  close() {
    this.#closed = true;
    this.#timers.clearTimeout(this.#watch);
    this.#source.close();
  }

  /**
   * Fail now, if it has been silent too long for a machine that has slept or a network that was
   * away, which the timers do not tell.
   */
  checkSilence() {
    const silentMs = this.#timers.now() - this.#heardAtMs;
    if (silentMs > silenceOnWakeMsMax) this.#fail(networkError());
  }

  /**
   * @param {string} data
   * @param {string} position
   */
  #receive(data, position) {
    if (this.#closed) return;
    this.#heardAtMs = this.#timers.now();
    this.#awaitMessage();
    let changes;
    try {
      changes = this.#take(JSON.parse(data), position);
    } catch (cause) {
      // Whatever is wrong with it, what is held can no longer be relied on.
      const message = "The stream does not fit.";
      return this.#fail(new HeadwaterError(message, { code: "out_of_step", retry: "resync", cause }));
    }
    this.begun = true;
    this.#handlers.onProgress(this, changes);
  }

  /**
   * @param {Transition} transition
   * @param {string} position
   */
  #take({ queries, from = null }, position) {
    if (!isPosition(position) || queries !== Object(queries)) throw new OutOfStep("form");
    if (!this.begun) this.results.continueFrom(from);
    const entries = Object.entries(queries).map(([id, entry]) => {
      const key = this.#keys.get(id);
      if (key === undefined) throw new OutOfStep(`id ${id}`);
      return /** @type {const} */ ([key, entry]);
    });
    return this.results.receive(position, entries, !position.endsWith("-"));
  }

  /** @param {HeadwaterError} error */
  #fail(error) {
    if (this.#closed) return;
    this.close();
    this.#handlers.onFailure(this, error);
  }

  #awaitMessage() {
    this.#timers.clearTimeout(this.#watch);
    this.#watch = this.#timers.setTimeout(() => this.#fail(networkError()), silenceMsMax);
  }
}
