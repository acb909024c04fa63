// @ts-check
/**
 * What the server last said about each query, at which position.
 *
 * Nothing here knows who asked, or which connection speaks. A message is taken whole or not at
 * all: when one of its entries does not fit, `receive` throws and the results stay as they were.
 */

import { errorFromBody } from "./errors.js";
import { applyPatch, PatchError } from "./patch.js";

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
 * A message of the stream, as parsed.
 * @typedef {object} Transition
 * @property {Record<string, Entry>} queries
 * @property {string | null} [from] In the first message: the position that it continues.
 */

/** @typedef {{ snapshot?: Json, patch?: unknown, error?: unknown, at?: string }} Entry */

/** The server continues something that this client does not hold. */
export class OutOfStep extends Error {
  name = "OutOfStep";
}

export class Results {
  /** @type {Map<string, Result>} */
  #byId = new Map();

  /** How far the results have come; opaque, to be compared for equality only. */
  position = /** @type {string | null} */ (null);

  /** @param {string} id */
  get(id) {
    return this.#byId.get(id);
  }

  /**
   * The position that a new stream should continue this query from.
   * @param {string} id
   * @returns {string | undefined} Absent: it needs a snapshot.
   */
  from(id) {
    const result = this.#byId.get(id);
    return result?.resumable ? (result.at ?? this.position ?? undefined) : undefined;
  }

  /**
   * The same results for another stream to carry on with.
   * @param {Iterable<string>} ids Others are left behind.
   */
  fork(ids) {
    const fork = new Results();
    fork.position = this.position;
    for (const id of ids) {
      const result = this.#byId.get(id);
      if (result) fork.#byId.set(id, result);
    }
    return fork;
  }

  /** Keep showing the values, and let nothing refer to them. */
  forgetPositions() {
    for (const [id, result] of this.#byId) this.#byId.set(id, { ...result, resumable: false });
  }

  /**
   * Check what the stream's first message says it continues.
   * @param {string | null} from
   * @throws {OutOfStep}
   */
  continueFrom(from) {
    if (from === null) return this.forgetPositions();
    for (const id of this.#byId.keys()) if (this.from(id) === from) return;
    throw new OutOfStep(`The stream continues from ${from}, which is not held.`);
  }

  /**
   * @param {string} position The position that the message leads to.
   * @param {Transition["queries"]} entries
   * @returns {string[]} The ids of the queries that have another result now.
   * @throws {OutOfStep} When an entry does not fit what is held.
   */
  receive(position, entries) {
    const next = Object.entries(entries).map(([id, entry]) => {
      return /** @type {const} */ ([id, nextResult(id, this.#byId.get(id), entry)]);
    });
    for (const [id, result] of next) this.#byId.set(id, result);
    this.position = position;
    return next.map(([id]) => id);
  }
}

/**
 * @param {string} id
 * @param {Result | undefined} current
 * @param {Entry} entry
 * @returns {Result}
 */
function nextResult(id, current, { snapshot, patch, error, at = undefined }) {
  if (error !== undefined) return { error: errorFromBody(error), at: null, resumable: false };
  if (snapshot !== undefined) return { value: snapshot, at: at ?? null, resumable: true };
  if (patch === undefined)
    throw new OutOfStep(`Query ${id} got neither snapshot, patch nor error.`);
  if (!current?.resumable || current.value === undefined) {
    throw new OutOfStep(`Query ${id} got a patch, and holds nothing that it could be for.`);
  }
  try {
    return { value: applyPatch(current.value, patch), at: at ?? null, resumable: true };
  } catch (cause) {
    if (!(cause instanceof PatchError)) throw cause;
    throw new OutOfStep(`Query ${id} got a patch that does not fit. ${cause.message}`, { cause });
  }
}
