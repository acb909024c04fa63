// @ts-check
/**
 * What the server last said about each query, by its key, at which position.
 *
 * Nothing here knows who asked, or which connection speaks. A message is taken whole or not at
 * all: when one of its entries does not fit, `receive` throws and the results stay as they were.
 */

import { errorFromBody } from "./errors.js";
import { applyPatch } from "./patch.js";
import { share } from "./share.js";

/** @import { HeadwaterError } from "./errors.js" */
/** @import { Json } from "./patch.js" */

/**
 * One query's state. Never modified: another state is another object.
 * @typedef {object} Result
 * @property {Json} [value] Absent beside an error.
 * @property {HeadwaterError} [error]
 * @property {string | null} at The position of a value that lags behind the others; else null.
 * @property {boolean} resumable Whether a patch, or a `from`, can refer to the value.
 */

/**

/** @typedef {{ snapshot?: Json, patch?: unknown, error?: unknown, at?: string }} Entry */

/**
 * What a message did to one query.
 * @typedef {object} Change
 * @property {string} key
 * @property {Result} result
 * @property {Entry} [entry] What leads from the one to the other; absent: nothing that was said.
 */

/** The server continues something that this client does not hold; the message names what. */
export class OutOfStep extends Error {}

export class Results {
  /** @type {Map<string, Result>} */
  #byKey = new Map();

  /** How far the results have come. */
  position = /** @type {string | null} */ (null);

  /** As far as all that is held has come; null while something is held from before. */
  get reached() {
    for (const { error, resumable } of this.#byKey.values()) if (!error && !resumable) return null;
    return this.position;
  }

  /** @param {string} key */
  get(key) {
    return this.#byKey.get(key);
  }

  /**
   * The position that a new stream should continue this query from.
   * @param {string} key
   * @returns {string | null | undefined} None: it needs a snapshot.
   */
  from(key) {
    const result = this.#byKey.get(key);
    return result?.resumable ? (result.at ?? this.position) : undefined;
  }

  /**
   * The same results for another stream to carry on with.
   * @param {Iterable<{ key: string, base?: Result | undefined }>} queries Others are left behind;
   *   of one that is new, `base` is what is held of it from elsewhere.
   */
  fork(queries) {
    const fork = new Results();
    fork.position = this.position;
    for (const { key, base } of queries) {
      const result = this.#byKey.get(key) ?? (base?.resumable && base.at ? base : undefined);
      if (result) fork.#byKey.set(key, result);
    }
    return fork;
  }

  /**
   * What `previous` has too is the same objects from now on.
   * @param {Results} previous
   */
  shareWith(previous) {
    for (const [key, result] of this.#byKey) {
      if (result.value === undefined) continue;
      const value = share(previous.get(key)?.value, result.value);
      this.#byKey.set(key, { ...result, value });
    }
  }

  /** Keep showing the values, and let nothing refer to them. */
  forgetPositions() {
    for (const [key, result] of this.#byKey) {
      this.#byKey.set(key, { ...result, resumable: false });
    }
  }

  /**
   * Check what the stream's first message says it continues.
   * @param {string | null} from
   * @throws {OutOfStep}
   */
  continueFrom(from) {
    if (from === null) return this.forgetPositions();
    for (const key of this.#byKey.keys()) if (this.from(key) === from) return;
    throw new OutOfStep("from");
  }

  /**
   * @param {string | null} position The position that the message leads to.
   * @param {Iterable<readonly [key: string, entry: Entry, ...unknown[]]>} entries
   * @param {boolean} [isWhole] Whether what is not mentioned is true at the position, too.
   * @returns {Change[]}
   * @throws {OutOfStep} When an entry does not fit what is held.
   */
  receive(position, entries, isWhole) {
    const news = new Map(/** @type {Iterable<readonly [string, Entry]>} */ (entries));
    if (isWhole) {
      for (const [key, { at, resumable }] of this.#byKey) {
        if (at && resumable && !news.has(key)) news.set(key, { patch: [] });
      }
    }
    const changes = Array.from(news, ([key, entry]) => {
      return { key, entry, result: nextResult(this.#byKey.get(key), entry) };
    });
    for (const { key, result } of changes) this.#byKey.set(key, result);
    this.position = position;
    return changes;
  }
}

/**
 * @param {Result | undefined} current
 * @param {Entry} entry
 * @returns {Result}
 */
function nextResult(current, entry) {
  const { snapshot, patch, error, at = null } = entry ?? {};
  const said = [snapshot, patch, error].filter((one) => one !== undefined).length;
  if (said !== 1 || (at !== null && typeof at !== "string")) {
    throw new OutOfStep("entry");
  }
  if (error !== undefined) return { error: errorFromBody(error), at: null, resumable: false };
  if (snapshot !== undefined) {
    return { value: share(current?.value, snapshot), at, resumable: true };
  }
  if (!current?.resumable || current.value === undefined) {
    throw new OutOfStep("patch");
  }
  return { value: applyPatch(current.value, patch), at, resumable: true };
}
