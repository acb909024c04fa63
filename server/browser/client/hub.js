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
 * @property {Wanted[]} wanted
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
   * @param {Wanted[]} wanted
   * @param {OnUpdate} deliver Told what is known at once, then of every move.
   * @param {boolean} fresh Whether it has lost what it was told.
   */
  set(id, wanted, deliver, fresh = false) {
    const told = (fresh ? null : this.#members.get(id)?.inStep) ?? new Set();
    const inStep = new Set(wanted.map(({ key }) => key).filter((key) => told.has(key)));
    this.#members.set(id, { wanted, inStep, deliver });
    this.#follow();
    const news = [];
    for (const { key } of wanted) {
      const result = this.#latest.get(key);
      if (!result || inStep.has(key)) continue;
      inStep.add(key);
      news.push({ key, before: undefined, result });
    }
    if (news.length > 0) deliver(this.#position, news);
  }

  /**
   * A tab is gone.
   * @param {string} id
   */
  remove(id) {
    if (this.#members.delete(id)) this.#follow();
  }

  #follow() {
    /** @type {Map<string, Wanted>} */
    const all = new Map();
    for (const { wanted } of this.#members.values()) {
      for (const query of wanted) if (!all.has(query.key)) all.set(query.key, query);
    }
    for (const key of this.#latest.keys()) if (!all.has(key)) this.#latest.delete(key);
    this.sync.want([...all.values()]);
  }

  /** @type {OnUpdate} */
  #spread(position, changes) {
    this.#position = position;
    for (const { key, result } of changes) this.#latest.set(key, result);
    for (const { wanted, inStep, deliver } of this.#members.values()) {
      const keys = new Set(wanted.map(({ key }) => key));
      /** @type {Change[]} */
      const theirs = [];
      for (const { entry, ...change } of changes) {
        if (!keys.has(change.key)) continue;
        theirs.push(entry && inStep.has(change.key) ? { ...change, entry } : change);
        inStep.add(change.key);
      }
      deliver(position, theirs);
    }
  }
}
