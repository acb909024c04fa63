// @ts-check
/**
 * What the tab that leads does for the others: it follows what any of them wants, on one stream,
 * and passes on what it hears, a change as the change that it is.
 */

/** @import { Change, Results } from "./results.js" */
/** @import { Wanted } from "./stream.js" */
/** @import { OpenSync } from "./sync.js" */

/** @typedef {Wanted & { turn?: number }} Turn By another number it is followed anew. */

/**
 * @typedef {object} Telling
 * @property {boolean | undefined} told Whether the member has been told all so far.
 * @typedef {Turn & Telling} Followed
 */

/**
 * Hears of every move, whether something changed or not. The position is how far all that is held
 * has come; null while something is held from before.
 * @typedef {(position: string | null, changes: (Change & { turn?: number })[]) => void} OnUpdate
 */

/**
 * @typedef {object} Member
 * @property {Map<string, Followed>} wanted By key.
 * @property {OnUpdate} deliver
 */

export class Hub {
  /** @type {Map<string, Member>} */
  #members = new Map();

  /**
   * @param {OpenSync} openSync
   * @param {Results} results What is held already.
   */
  constructor(openSync, results) {
    this.sync = openSync((changes) => this.#spread(changes), results);
  }

  /** @param {string} id */
  has(id) {
    return this.#members.has(id);
  }

  /**
   * A tab wants these queries from now on, and no others.
   * @param {string} id
   * @param {Turn[]} queries
   * @param {OnUpdate} deliver Told what is known at once, then of every move.
   */
  set(id, queries, deliver) {
    const before = this.#members.get(id)?.wanted;
    const followed = queries.map((query) => {
      const known = before?.get(query.key);
      return { ...query, told: known?.turn === query.turn && known?.told };
    });
    const member = { wanted: new Map(followed.map((query) => [query.key, query])), deliver };
    this.#members.set(id, member);
    this.#follow();
    const known = this.sync.told(followed.flatMap(({ key, told }) => (told ? [] : key)));
    if (known.length > 0) this.#pass(member, known);
  }

  /**
   * A tab is gone.
   * @param {string} id
   */
  remove(id) {
    if (this.#members.delete(id)) this.#follow();
  }

  #follow() {
    const all = new Map([...this.#members.values()].flatMap(({ wanted }) => [...wanted]));
    this.sync.want([...all.values()]);
  }

  /** @param {Change[]} changes */
  #spread(changes) {
    for (const member of this.#members.values()) this.#pass(member, changes);
  }

  /**
   * @param {Member} member
   * @param {Change[]} changes
   */
  #pass({ wanted, deliver }, changes) {
    const theirs = changes.flatMap(({ key, result, entry }) => {
      const query = wanted.get(key);
      if (!query) return [];
      const { turn, told } = query;
      query.told = true;
      return { key, result, turn, ...(told && entry && { entry }) };
    });
    deliver(this.sync.results.reached, theirs);
  }
}
