// @ts-check
/**
 * Says again and again that somebody is in a task, and at once what they do there.
 *
 * One call is under way at a time; what is said meanwhile goes with the next, the newest of each
 * value. Each beat is timed from the answer to the one before, which is no timer's doing: browsers
 * hold timers that timers have set back to one a minute in tabs that have been hidden for long.
 */

import { beatMs, hiddenBeatMs } from "./limits.js";

/** @import { Client } from "../client.js" */

/**
 * @typedef {"viewing" | "typing" | "editing-file" | "running-command" | "idle"} Activity
 * @typedef {{ x: number, y: number }} Cursor
 * @typedef {{ start: number, end: number, filePath?: string }} Selection
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
  /** @type {object | undefined} */
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
    client.mutation(`presence.${name}`, args, { idempotent: true, keepalive }).catch(console.error);

  /** @param {object} values Undefined ones are not said. */
  function say(values) {
    waiting = { ...waiting, ...JSON.parse(JSON.stringify(values)) };
    sending ??= send();
  }

  async function send() {
    // Who mounts, unmounts and mounts at once, as under StrictMode, joins once; and a page that is
    // back at once joins after its farewell.
    await farewell;
    clearTimeout(timer);
    for (; waiting && !away; await farewell) {
      const values = waiting;
      waiting = undefined;
      await call("updatePresence", { ...here, ...details.current, ...values });
    }
    sending = undefined;
    if (!away) timer = setTimeout(say, document.hidden ? hiddenBeatMs : beatMs, {});
  }

  /** @param {{ type: string }} event */
  function onEvent({ type }) {
    if (type === "pagehide") {
      away = true;
      farewell = call("removePresence", here, true);
    } else if (!document.hidden) {
      away = false; // a page may come back as it was
      say({});
    }
  }

  async function leave() {
    events.abort();
    away = true;
    clearTimeout(timer);
    await sending; // or it would arrive after the farewell
    if (away) await call("removePresence", here);
  }

  return {
    /**
     * @param {Activity} [activity]
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
      say({});
      return leave;
    },
  };
}
