// @ts-check
/**
 * A person's stay in a task, which all elements of one page share: it begins with the first that
 * joins, beats every 30 s, says at once what they do, and ends with the last, or with the page.
 *
 * One call is under way at a time; what is said meanwhile goes with the next, the newest of each
 * value. The next beat is timed from the answer to the last, which is no timer's doing: browsers
 * hold timers that timers have set back to one a minute in tabs that have been hidden for long.
 */

import { randomId } from "../client/random_id.js";
import { beatMs, idleMs, lingerMs, movesMsMin } from "./limits.js";

/** @import { Client } from "../client.js" */
/** @import { Person, PersonActivity } from "../client/documents.js" */

/**
 * @typedef {object} Said
 * @property {PersonActivity} [activity]
 * @property {{ x: number, y: number } | null} [cursor]
 * @property {{ start: number, end: number, filePath?: string } | null} [selection]
 */

/** @typedef {{ taskId: string, userId: string, userName: string }} Who */

/** @typedef {{ say: (said: Said) => void, leave: () => void }} Stay */

const tabId = randomId();

/** @type {Map<string, SharedStay>} */
const stays = new Map();

/** @type {Map<Client, number>} */
const numbers = new Map();

/**
 * Be there, until `leave`; that again does nothing.
 * @param {Client} client
 * @param {Who} who Another name than before is theirs from now on.
 * @returns {Stay}
 */
export function joinStay(client, who) {
  const number = numbers.get(client) ?? numbers.size;
  numbers.set(client, number);
  const key = JSON.stringify([number, who.taskId, who.userId]);
  const stay = stays.get(key) ?? new SharedStay(client, who, () => stays.delete(key));
  stays.set(key, stay);
  stay.join(who.userName);
  let joined = true;
  return {
    say: (said) => stay.say(said),
    leave() {
      if (joined) stay.leave();
      joined = false;
    },
  };
}

class SharedStay {
  #client;
  #who;
  #onEnd;
  #members = 0;
  /** The server has presence, and the task has a list of people. */
  #possible = false;
  /** Others may see them. */
  #there = false;
  /** @type {Said | null} */
  #waiting = { activity: "viewing" };
  /** @type {Promise<void> | null} */
  #sending = null;
  /** @type {Promise<unknown> | undefined} What was said last as the page went. */
  #farewell;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #leaving;
  #events = new AbortController();
  #calls = new AbortController();
  #unsubscribe;

  /**
   * @param {Client} client
   * @param {Who} who
   * @param {() => void} onEnd
   */
  constructor(client, who, onEnd) {
    this.#client = client;
    this.#who = who;
    this.#onEnd = onEnd;
    this.#unsubscribe = client.subscribe(
      "presence.getActiveUsers",
      { taskId: who.taskId },
      {
        onChange: (/** @type {Person[]} */ people) => this.#see(people),
        onError: () => {},
      },
    );
    const { signal } = this.#events;
    addEventListener("pagehide", () => this.#goWithThePage(), { signal });
    addEventListener("pageshow", ({ persisted }) => persisted && this.say({}), { signal });
    document.addEventListener("visibilitychange", () => this.#beShown(), { signal });
  }

  /** @param {string} userName */
  join(userName) {
    clearTimeout(this.#leaving);
    this.#members += 1;
    if (userName === this.#who.userName) return;
    this.#who = { ...this.#who, userName };
    this.say({});
  }

  leave() {
    this.#members -= 1;
    if (this.#members > 0) return;
    // An element that begins anew joins again at once.
    this.#leaving = setTimeout(() => void this.#end(), lingerMs);
  }

  /** @param {Said} said */
  say(said) {
    this.#waiting = { ...this.#waiting, ...said };
    if (this.#possible) this.#sending ??= this.#send();
  }

  async #send() {
    clearTimeout(this.#timer);
    // A page that is back at once joins after its farewell.
    for (await this.#farewell; this.#waiting; await this.#farewell) {
      const said = this.#waiting;
      this.#waiting = null;
      if (!(await this.#update(said))) break;
      this.#there = true;
      if (this.#waiting) await new Promise((resolve) => setTimeout(resolve, movesMsMin));
    }
    this.#sending = null;
    if (this.#possible) this.#timer = setTimeout(() => this.say({}), beatMs);
  }

  /**
   * @param {Said} said
   * @returns {Promise<boolean>} Whether more may be said.
   */
  async #update(said) {
    const args = { ...this.#who, tabId, ...said };
    const options = { idempotent: true, signal: this.#calls.signal };
    try {
      await this.#client.mutation("presence.updatePresence", args, options);
    } catch (error) {
      // There is no such task any more, say.
      const { retry } = /** @type {{ retry?: string }} */ (error);
      if (retry === "never") this.#possible = this.#there = false;
    }
    return this.#possible;
  }

  /** @param {Person[]} people */
  #see(people) {
    if (!this.#possible) {
      this.#possible = true;
      this.say({});
      return;
    }
    // Another tab was hidden, and took them for idle.
    const self = people.find(({ userId }) => userId === this.#who.userId);
    if (self?.activity === "idle" && !document.hidden) this.say({ activity: "viewing" });
  }

  #beShown() {
    clearTimeout(this.#timer);
    if (document.hidden) this.#timer = setTimeout(() => this.say({ activity: "idle" }), idleMs);
    else this.say({ activity: "viewing" });
  }

  #goWithThePage() {
    clearTimeout(this.#timer);
    if (!this.#there && !this.#sending) return;
    // What has not been sent yet must not arrive after the farewell.
    this.#calls.abort();
    this.#calls = new AbortController();
    this.#farewell = this.#remove(true);
    this.#there = false;
  }

  async #end() {
    this.#onEnd();
    this.#events.abort();
    this.#unsubscribe();
    clearTimeout(this.#timer);
    this.#waiting = null;
    await this.#sending; // or it would arrive after the farewell
    clearTimeout(this.#timer);
    const wasThere = this.#there;
    this.#possible = false; // nothing more is said
    if (wasThere) await this.#remove();
  }

  #remove(keepalive = false) {
    const { taskId, userId } = this.#who;
    const args = { taskId, userId, tabId };
    const options = { idempotent: true, keepalive };
    return this.#client.mutation("presence.removePresence", args, options).catch(() => undefined);
  }
}
