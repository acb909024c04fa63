// @ts-check
/**
 * One stream for all tabs of a browser.
 *
 * The tabs elect one that leads, by a Web Lock: who holds it has the stream, and passes on what it
 * hears by a BroadcastChannel. When it goes, the browser gives the lock to the next, which goes on
 * from what it holds itself. Each tab holds a lock of its own name too, by which the one that
 * leads learns of its end.
 *
 * A tab that leads may be hidden, and its timers slow, or it may be frozen: those that follow
 * remind it while there is no connection, and take the lead away from one that does not answer.
 */

import { Hub } from "./hub.js";
import { nudgeMs, silenceOnWakeMsMax } from "./limits.js";
import { ObservableValue } from "./observable.js";
import { randomId } from "./random_id.js";
import { Results } from "./results.js";

/** @import { Timers } from "./create_client.js" */
/** @import { Change, Entry } from "./results.js" */
/** @import { Wanted } from "./stream.js" */
/** @import { ConnectionState, OnUpdate, OpenSync } from "./sync.js" */

/**
 * What tabs say to each other. Each says one thing; all hear it.
 * @typedef {object} Said
 * @property {string} from
 * @property {{ clientId: string, state: ConnectionState }} [lead] I do.
 * @property {Wanted[]} [want] To who leads: what I want now.
 * @property {boolean} [fresh] With `want`: I have lost what I was told.
 * @property {"nudge" | "wake"} [ask] To who leads: do what is due; try again now. It says who it is.
 * @property {string} [to] To this tab:
 * @property {string | null | undefined} [position] what is told moves to here,
 * @property {(readonly [key: string, entry: Entry])[]} [entries] by these.
 */

export class Tabs {
  connectionState = new ObservableValue(/** @type {ConnectionState} */ ("connecting"));

  /**
   * Names the stream's client to the server: that of the tab that leads.
   * @type {string}
   */
  clientId;

  #id = randomId();
  #name;
  #ownClientId;
  #openSync;
  #timers;
  #onUpdate;
  /** @type {Wanted[]} */
  #wanted = [];
  #results = new Results();
  /** @type {Hub | null} Here while this tab leads. */
  #hub = null;
  /** @type {string | null} */
  #leader = null;
  /** @type {BroadcastChannel | null} */
  #channel = null;
  #closing = new AbortController();
  /** Aborted while this tab is none of them. */
  #stay = aborted();
  /** Aborted when this tab stands no longer where it stood for election. */
  #stand = aborted();
  #nudged = false;
  #heardAtMs = 0;
  /** @type {ReturnType<Timers["setTimeout"]> | undefined} */
  #watch;

  /**
   * @param {object} parts
   * @param {string} parts.name Tabs of one name share a stream.
   * @param {string} parts.clientId
   * @param {OpenSync} parts.openSync
   * @param {Timers} parts.timers
   * @param {OnUpdate} parts.onUpdate
   */
  constructor({ name, clientId, openSync, timers, onUpdate }) {
    this.#name = name;
    this.#ownClientId = this.clientId = clientId;
    this.#openSync = openSync;
    this.#timers = timers;
    this.#onUpdate = onUpdate;
    this.join();
    const { signal } = this.#closing;
    addEventListener("pagehide", this.leave, { signal });
    addEventListener("pageshow", this.join, { signal });
  }

  /**
   * Follow these queries from now on, and no others.
   * @param {Wanted[]} queries
   */
  want(queries) {
    this.#wanted = queries;
    this.#ask();
    this.#beat();
  }

  /** Try again now. */
  wake() {
    if (this.#hub) return this.#hub.sync.wake();
    this.#say({ ask: "wake" });
    this.#beat();
  }

  close() {
    this.#closing.abort();
    this.leave();
    this.connectionState.set("closed");
  }

  /** Be one of the tabs, again after a page came back from where the browser had kept it. */
  join = () => {
    if (!this.#stay.signal.aborted) return;
    const stay = (this.#stay = new AbortController());
    this.#hold(`${this.#name} ${this.#id}`, stay.signal, () => {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = ({ data }) => this.#hear(data);
      this.#say({ ask: "nudge" });
      this.#standForElection();
      this.#heard();
      this.#beat();
    });
  };

  /** Let go of everything, as a page must that the browser may keep for later. */
  leave = () => {
    this.#stay.abort();
    this.#stand.abort();
    this.#stepDown();
    this.#channel?.close();
    this.#channel = null;
    this.#timers.clearTimeout(this.#watch);
  };

  /**
   * Hold a lock until the signal.
   * @param {string} name
   * @param {AbortSignal} signal
   * @param {() => void} onHeld
   * @param {LockOptions} [options]
   */
  #hold(name, signal, onHeld, options = { signal }) {
    return navigator.locks
      .request(name, options, () => {
        if (signal.aborted) return;
        onHeld();
        return new Promise((resolve) => signal.addEventListener("abort", resolve));
      })
      .catch(() => undefined);
  }

  /** @param {LockOptions} [how] */
  async #standForElection(how) {
    this.#stand.abort();
    const stand = (this.#stand = new AbortController());
    await this.#hold(this.#name, stand.signal, () => this.#lead(), how);
    if (stand.signal.aborted) return;
    this.#stepDown(); // another has taken the lead away
    this.#standForElection();
  }

  #lead() {
    this.#leader = this.#id;
    this.clientId = this.#ownClientId;
    const hub = (this.#hub = new Hub(this.#openSync, this.#results));
    hub.sync.connectionState.subscribe((state) => {
      if (this.#hub !== hub) return;
      this.connectionState.set(state);
      this.#announce();
    });
    this.#ask();
  }

  #stepDown() {
    const hub = this.#hub;
    if (!hub) return;
    this.#hub = null;
    this.#leader = null;
    this.#results = new Results();
    hub.sync.close();
  }

  #announce() {
    this.#say({ lead: { clientId: this.clientId, state: this.connectionState.value } });
  }

  /** Say what is wanted, to whoever leads. */
  #ask(fresh = false) {
    if (this.#hub) return this.#hub.set(this.#id, this.#wanted, this.#onUpdate);
    this.#results = this.#results.fork(this.#wanted);
    if (!this.#leader) return;
    const want = this.#wanted.map(({ key, function: name, args }) => ({ key, function: name, args }));
    this.#say({ want, fresh });
  }

  /** @param {Said} said */
  #hear(said) {
    const { from, lead, to } = said;
    if (lead) this.#hearLeader(from, lead);
    else if (this.#hub) this.#serve(this.#hub, said);
    else if (to === this.#id && from === this.#leader) this.#receive(said);
  }

  /**
   * @param {string} from
   * @param {{ clientId: string, state: ConnectionState }} lead
   */
  #hearLeader(from, { clientId, state }) {
    if (this.#hub) return; // one of the two is about to learn that it leads no longer
    this.#heard();
    this.clientId = clientId;
    if (from !== this.#leader) {
      this.#leader = from;
      this.#results.forgetPositions();
      this.#ask(true);
    }
    const before = this.connectionState.value;
    this.connectionState.set(state);
    if (state !== before) this.#beat();
  }

  /**
   * @param {Hub} hub
   * @param {Said} said
   */
  #serve(hub, { from, ask, want, fresh }) {
    if (want) {
      if (!hub.has(from)) {
        const { signal } = this.#stand;
        navigator.locks
          .request(`${this.#name} ${from}`, { signal }, () => hub.remove(from))
          .catch(() => undefined);
      }
      hub.set(from, want, (position, changes) => this.#tell(from, position, changes), fresh);
    }
    if (!ask) return;
    hub.sync[ask]();
    this.#announce();
  }

  /**
   * @param {string} to
   * @param {string | null} position
   * @param {Change[]} changes
   */
  #tell(to, position, changes) {
    const entries = changes.map(({ key, result, entry }) => {
      return /** @type {const} */ ([key, entry ?? entryOf(result)]);
    });
    this.#say({ to, position, entries });
  }

  /** @param {Said} told */
  #receive({ position = null, entries = [] }) {
    this.#heard();
    try {
      const changes = this.#results.receive(position, entries);
      this.#onUpdate(position, changes);
    } catch {
      this.#ask(true); // all of it anew
    }
  }

  #heard() {
    this.#heardAtMs = this.#timers.now();
    this.#nudged = false;
  }

  /** Watch whoever leads, and remind it while there is no connection. */
  #beat() {
    this.#timers.clearTimeout(this.#watch);
    if (this.#hub || this.#wanted.length === 0) return;
    const silent = this.#timers.now() - this.#heardAtMs > silenceOnWakeMsMax;
    const anxious = silent || this.connectionState.value !== "live";
    if (silent && this.#nudged) {
      this.#heard();
      this.#standForElection({ steal: true });
    } else if (anxious) {
      this.#nudged = silent;
      this.#say({ ask: "nudge" });
    }
    const delayMs = anxious ? nudgeMs : silenceOnWakeMsMax;
    this.#watch = this.#timers.setTimeout(() => this.#beat(), delayMs);
  }

  /** @param {Omit<Said, "from">} said */
  #say(said) {
    this.#channel?.postMessage({ ...said, from: this.#id });
  }
}

function aborted() {
  const controller = new AbortController();
  controller.abort();
  return controller;
}

/**
 * @param {import("./results.js").Result} result
 * @returns {Entry}
 */
function entryOf({ value, error, at }) {
  if (error) {
    const { code, message, retry, retryAfterMs, details } = error;
    return { error: { code, message, retry, retryAfterMs, details } };
  }
  return { snapshot: value, ...(at && { at }) };
}
