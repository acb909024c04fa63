// @ts-check
/**
 * A person's stay in a task, which all elements of one page share: it begins with the first that
 * joins, as soon as the server lists who is there, and ends with the last, or with the page.
 */

import { createHeartbeat } from "../client/heartbeat.js";
import { idleMs, lingerMs } from "./limits.js";

/** @import { Client } from "../client.js" */
/** @import { Person } from "../client/documents.js" */
/** @import { Doing } from "../client/heartbeat.js" */

/** @typedef {{ taskId: string, userId: string, userName: string }} Who */

/** @typedef {{ say: (doing: Doing) => void, leave: () => void }} Stay */

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
    say: (doing) => stay.say(doing),
    leave() {
      if (joined) stay.leave();
      joined = false;
    },
  };
}

class SharedStay {
  #userId;
  #onEnd;
  #members = 0;
  /** What each call says beside what they do. */
  #details = { current: { userName: "" } };
  #heartbeat;
  /** @type {(() => void) | undefined} Ends the heartbeat, which has begun. */
  #leave;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #idling;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #leaving;
  #events = new AbortController();
  #unsubscribe;

  /**
   * @param {Client} client
   * @param {Who} who
   * @param {() => void} onEnd
   */
  constructor(client, { taskId, userId }, onEnd) {
    this.#userId = userId;
    this.#onEnd = onEnd;
    this.#heartbeat = createHeartbeat(client, { taskId, userId }, this.#details);
    this.say({ activity: "viewing" });
    this.#unsubscribe = client.subscribe(
      "presence.getActiveUsers",
      { taskId },
      {
        onChange: (/** @type {Person[]} */ people) => this.#see(people),
        onError: () => {},
      },
    );
    document.addEventListener("visibilitychange", () => this.#beShown(), this.#events);
  }

  /** @param {string} userName */
  join(userName) {
    clearTimeout(this.#leaving);
    this.#members += 1;
    if (userName === this.#details.current.userName) return;
    this.#details.current = { userName };
    this.say({});
  }

  leave() {
    this.#members -= 1;
    if (this.#members > 0) return;
    // An element that begins anew joins again at once.
    this.#leaving = setTimeout(() => this.#end(), lingerMs);
  }

  /** @param {Doing} doing Said as soon as they are there. */
  say(doing) {
    this.#heartbeat.say(doing);
  }

  /** @param {Person[]} people */
  #see(people) {
    this.#leave ??= this.#heartbeat.join();
    // Another tab was hidden, and took them for idle.
    const self = people.find(({ userId }) => userId === this.#userId);
    if (self?.activity === "idle" && !document.hidden) this.say({ activity: "viewing" });
  }

  #beShown() {
    clearTimeout(this.#idling);
    if (document.hidden) this.#idling = setTimeout(() => this.say({ activity: "idle" }), idleMs);
    else this.say({ activity: "viewing" });
  }

  #end() {
    this.#onEnd();
    this.#events.abort();
    this.#unsubscribe();
    clearTimeout(this.#idling);
    this.#leave?.();
  }
}
