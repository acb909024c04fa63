// @ts-check
/**
 * Says again and again that somebody is in a task, and at once what they do there.
 *
 * One call is under way at a time; what is said meanwhile goes with the next, the newest of each
 * value. Each beat is timed from the answer to the one before, which is no timer's doing: browsers
 * hold timers that timers have set back to one a minute in tabs that have been hidden for long.
 *
 * Who is refused for good says nothing more until the next beat, or until the page is seen again.
 */

/** @import { Client } from "../client.js" */
/** @import { PersonActivity } from "./documents.js" */

/**
 * A tab that is seen says this often that somebody is here. The server takes somebody for gone who
 * was not heard of for 60 s, so a beat comes well before, with time to try again when one is lost.
 */
const beatMs = 30_000;

/**
 * A hidden tab says it a third less often, and no less: 15 s remain for a late timer, a slow
 * answer and the first retries, or a person who looks elsewhere would leave and join for ever.
 */
const hiddenBeatMs = 45_000;

/** Between two calls; what is said meanwhile goes with the next. */
const pauseMs = 50;

/**
 * @typedef {{ x: number, y: number }} Cursor
 * @typedef {{ start: number, end: number, filePath?: string }} Selection
 */

/**
 * @typedef {object} Doing
 * @property {PersonActivity} [activity]
 * @property {Cursor | null} [cursor]
 * @property {Selection | null} [selection]
 */

/**
 * @param {Client} client
 * @param {{ taskId: unknown, userId: unknown }} who
 * @param {{ current: object }} details What each call must say beside it, as it is by then.
 */
export function createHeartbeat(client, who, details) {
  const here = { ...who, tabId: String(Math.random()) };
  /** @type {AbortController} */
  let events;
  let away = true;
  let refused = false;
  /** @type {Doing | undefined} */
  let waiting;
  /** @type {Promise<void> | undefined} */
  let sending;
  /** @type {Promise<unknown> | undefined} */
  let farewell;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  /**
   * @param {string} name
   * @param {Record<string, unknown>} args
   * @param {boolean} [keepalive]
   */
  const call = (name, args, keepalive) =>
    client
      .mutation(`presence.${name}`, args, { idempotent: true, keepalive })
      .catch((error) => {
        refused = error.retry === "never";
        console.error(error);
      });

  /** @param {Doing} doing What is undefined stays as it was. */
  function say(doing) {
    waiting = { ...waiting, ...JSON.parse(JSON.stringify(doing)) };
    if (!refused) sending ??= send();
  }

  function beat() {
    refused = false;
    say({});
  }

  async function send() {
    // Who mounts, unmounts and mounts at once, as under StrictMode, joins once; and a page that is
    // back at once joins after its farewell.
    await farewell;
    clearTimeout(timer);
    for (; waiting && !away && !refused; await farewell) {
      const doing = waiting;
      waiting = undefined;
      await call("updatePresence", { ...here, ...details.current, ...doing });
      if (waiting && !away) await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    sending = undefined;
    if (!away) timer = setTimeout(beat, document.hidden ? hiddenBeatMs : beatMs);
  }

  /** @param {{ type: string }} event */
  function onEvent({ type }) {
    if (type === "pagehide") {
      if (!away) farewell = call("removePresence", here, true);
      away = true;
    } else if (!document.hidden) {
      away = false; // a page may come back as it was
      beat();
    }
  }

  async function leave() {
    events.abort();
    away = true;
    clearTimeout(timer);
    await sending; // or it would arrive after the farewell
    if (away) farewell = call("removePresence", here);
  }

  return {
    say,

    /**
     * @param {PersonActivity} [activity]
     * @param {Cursor | null} [cursor]
     * @param {Selection | null} [selection]
     */
    updateActivity: (activity, cursor, selection) => say({ activity, cursor, selection }),

    /** @returns {() => void} Leaves. */
    join() {
      events = new AbortController();
      for (const type of ["pagehide", "pageshow", "visibilitychange"]) {
        addEventListener(type, onEvent, events);
      }
      away = false;
      beat();
      return leave;
    },
  };
}
