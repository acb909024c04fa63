// @ts-check
/**
 * One connection, and the results that its messages lead to.
 *
 * A stream lives from `open` to its failure or `close`. It takes its own watch: silence is a
 * failure too. What the failure means for the client is decided elsewhere.
 */

import { HeadwaterError, networkError } from "./errors.js";
import { silenceMsMax } from "./limits.js";
import { OutOfStep } from "./results.js";

/** @import { Results, Transition } from "./results.js" */
/** @import { OpenSource, Source } from "./source.js" */
/** @import { Query } from "./query_set.js" */
/** @import { Timers } from "./create_client.js" */

/**
 * @typedef {object} StreamHandlers
 * @property {(stream: Stream, changed: string[]) => void} onProgress After each message.
 * @property {(stream: Stream, error: HeadwaterError) => void} onFailure The stream is closed then.
 */

export class Stream {
  /** Whether the first message has come. */
  begun = false;

  /**
   * The positions that the stream has led to, until it is the current one.
   * @type {Set<string>}
   */
  visited = new Set();

  #handlers;
  #timers;
  #closed = false;
  /** @type {ReturnType<Timers["setTimeout"]> | undefined} */
  #watch;
  /** @type {Source} */
  #source;

  /**
   * @param {Query[]} queries
   * @param {Results} results The stream's own: what to continue from, then what came of it.
   * @param {OpenSource} openSource
   * @param {Timers} timers
   * @param {StreamHandlers} handlers
   */
  constructor(queries, results, openSource, timers, handlers) {
    this.ids = new Set(queries.map((query) => query.id));
    this.results = results;
    this.openedAt = results.position;
    this.#timers = timers;
    this.#handlers = handlers;
    this.#awaitMessage();
    const requests = queries.map(({ id, function: name, args }) => {
      return { id, function: name, args, from: results.from(id) };
    });
    this.#source = openSource(requests, {
      onMessage: (data, id) => this.#receive(data, id),
      onFailure: (error) => this.#fail(error),
    });
  }

  /** @param {Query[]} queries */
  serves(queries) {
    return queries.length === this.ids.size && queries.every((query) => this.ids.has(query.id));
  }

  close() {
    this.#closed = true;
    this.#timers.clearTimeout(this.#watch);
    this.#source?.close();
  }

  /**
   * @param {string} data
   * @param {string} position
   */
  #receive(data, position) {
    if (this.#closed) return;
    this.#awaitMessage();
    let changed;
    try {
      const { queries, from = null } = parseTransition(data);
      if (!this.begun) this.results.continueFrom(from);
      changed = this.results.receive(position, queries);
    } catch (error) {
      if (!(error instanceof OutOfStep)) throw error;
      const { message } = error;
      return this.#fail(
        new HeadwaterError(message, { code: "out_of_step", retry: "resync", cause: error }),
      );
    }
    this.begun = true;
    this.visited.add(position);
    this.#handlers.onProgress(this, changed);
  }

  /** @param {HeadwaterError} error */
  #fail(error) {
    if (this.#closed) return;
    this.close();
    this.#handlers.onFailure(this, error);
  }

  #awaitMessage() {
    this.#timers.clearTimeout(this.#watch);
    this.#watch = this.#timers.setTimeout(() => {
      this.#fail(networkError(`The server was silent for ${silenceMsMax / 1000} s.`));
    }, silenceMsMax);
  }
}

/**
 * @param {string} data
 * @returns {Transition}
 */
function parseTransition(data) {
  try {
    const transition = JSON.parse(data);
    if (typeof transition?.queries === "object" && transition.queries !== null) return transition;
  } catch {
    // Said below, for both ways in which it can be unreadable.
  }
  throw new OutOfStep(`The message cannot be read: ${data.slice(0, 100)}`);
}
