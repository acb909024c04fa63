// @ts-check
/**
 * What the tab that leads does for the others: it follows what any of them wants, on one stream,
 * and passes on what it hears, a change as the change that it is.
 */

/** @import { Change, Result, Results } from "./results.js" */
/** @import { Wanted } from "./stream.js" */
/** @import { OnUpdate, OpenSync } from "./sync.js" */

/**
 * @typedef {object} Member
 * @property {Map<string, Wanted>} wanted By key.
 * @property {Set<string>} inStep The keys of which it has been told all so far.
 * @property {OnUpdate} deliver
 */

export class Hub {
  /** @type {Map<string, Member>} */
  #members = new Map();
  /** @type {Map<string, Result>} */
  #latest = new Map();
  /** @type {string | null} */
  #position = null;

  /**
   * @param {OpenSync} openSync
   * @param {Results} results What is held already.
   */
  constructor(openSync, results) {
    this.sync = openSync((position, changes) => this.#spread(position, changes), results);
  }

  /** @param {string} id */
  has(id) {
    return this.#members.has(id);
  }

  /**
   * A tab wants these queries from now on, and no others.
   * @param {string} id
   * @param {Wanted[]} queries
   * @param {OnUpdate} deliver Told what is known at once, then of every move.
   * @param {boolean} [fresh] Whether it has lost what it was told.
   */
  set(id, queries, deliver, fresh) {
    const wanted = new Map(queries.map((query) => [query.key, query]));
    const told = (!fresh && this.#members.get(id)?.inStep) || [];
    const inStep = new Set([...told].filter((key) => wanted.has(key)));
    const member = { wanted, inStep, deliver };
    this.#members.set(id, member);
    this.#follow();
    const news = [...this.#latest]
      .filter(([key]) => wanted.has(key) && !inStep.has(key))
      .map(([key, result]) => ({ key, before: undefined, result }));
    if (news.length > 0) this.#pass(member, news);
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
    for (const key of this.#latest.keys()) if (!all.has(key)) this.#latest.delete(key);
    this.sync.want([...all.values()]);
  }

  /** @type {OnUpdate} */
  #spread(position, changes) {
    this.#position = position;
    for (const { key, result } of changes) this.#latest.set(key, result);
    for (const member of this.#members.values()) this.#pass(member, changes);
  }

  /**
   * @param {Member} member
   * @param {Change[]} changes
   */
  #pass({ wanted, inStep, deliver }, changes) {
    const theirs = changes
      .filter(({ key }) => wanted.has(key))
      .map(({ entry, ...change }) => (inStep.has(change.key) && entry ? { ...change, entry } : change));
    for (const { key } of theirs) inStep.add(key);
    deliver(this.#position, theirs);
  }
}
