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
/** @import { OnUpdate } from "./hub.js" */
/** @import { Change, Entry } from "./results.js" */
/** @import { Wanted } from "./stream.js" */
/** @import { ConnectionState, OpenSync } from "./sync.js" */

/**
 * What tabs say to each other. Each says one thing; all hear it.
 * @typedef {object} Said
 * @property {string} [from] I do not lead, and this names me.
 * @property {Wanted[]} [want] To who leads: what I want now.
 * @property {"nudge" | "wake"} [ask] To who leads: do what is due; try again now. It says who it is.
 * @property {number} [since] I lead, since then: of two, the later one is right.
 * @property {ConnectionState} [state] How my connection is.
 * @property {string} [clientId] With it: names the stream's client to the server.
 * @property {string} [to] To this tab:
 * @property {string | null | undefined} [position] what is told moves to here,
 * @property {(readonly [key: string, entry: Entry, turn?: number])[]} [entries] by these.
 */

export class Tabs {
  connectionState = new ObservableValue(/** @type {ConnectionState} */ ("connecting"));

  /**
   * Names the stream's client to the server: that of the tab that leads.
   * @type {string}
   */
  clientId;

  /** Names this tab to the others, anew each time that it joins them; "": it is none of them. */
  #id = "";
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
  /** Since when whoever leads does, in ms; its name too. 0: nobody is known to. */
  #since = 0;
  #turn = 0;
  /**
   * Tells, by key, the present turn of following a query from those before it.
   * @type {Map<string, number>}
   */
  #turns = new Map();
  /** @type {BroadcastChannel | null} */
  #channel = null;
  #closing = new AbortController();
  /**
   * Aborted when this tab leaves the others.
   * @type {AbortController | undefined}
   */
  #stay;
  /**
   * Aborted when this tab stands no longer where it stood for election.
   * @type {AbortController | undefined}
   */
  #stand;
  #nudged = false;
  #heardAtMs = 0;
  /** @type {ReturnType<Timers["setTimeout"]> | undefined} */
  #watch;

  /**
   * @param {object} parts
   * @param {string} parts.name Tabs of one name share a stream.
   * @param {boolean} parts.share Else this one has a stream to itself.
   * @param {string} parts.clientId
   * @param {OpenSync} parts.openSync
   * @param {Timers} parts.timers
   * @param {OnUpdate} parts.onUpdate
   */
  constructor({ name, share, clientId, openSync, timers, onUpdate }) {
    this.#name = name;
    this.#ownClientId = this.clientId = clientId;
    this.#openSync = openSync;
    this.#timers = timers;
    this.#onUpdate = onUpdate;
    if (share) {
      this.join();
      addEventListener("pagehide", this.leave, this.#closing);
      addEventListener("pageshow", this.join, this.#closing);
    } else this.#lead();
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
    this.#say({ from: this.#id, ask: "wake" });
    this.#beat();
  }

  close() {
    this.#closing.abort();
    this.leave();
    this.connectionState.set("closed");
  }

  /** Be one of the tabs, again after a page came back from where the browser had kept it. */
  join = () => {
    if (this.#id) return;
    this.#id = randomId();
    this.#stay = new AbortController();
    const until = endOf(this.#stay.signal);
    this.#lock(`${this.#name} ${this.#id}`, this.#stay.signal, () => {
      this.#channel = new BroadcastChannel(this.#name);
      this.#channel.onmessage = ({ data }) => this.#hear(data);
      this.#standForElection();
      this.#heard();
      this.#beat();
      return until;
    });
  };

  /** Let go of everything, as a page must that the browser may keep for later. */
  leave = () => {
    this.#id = "";
    this.#stay?.abort();
    this.#stand?.abort();
    this.#stepDown();
    this.#since = 0;
    this.#channel?.close();
    this.#channel = null;
    this.#beat();
  };

  /**
   * Ask for a lock, unless the signal comes first.
   * @param {string} name
   * @param {AbortSignal} signal
   * @param {() => unknown} onHeld The lock is held until what it returns.
   * @param {LockOptions} [options]
   */
  #lock(name, signal, onHeld, options = { signal }) {
    return navigator.locks
      .request(name, options, () => signal.aborted || onHeld())
      .catch(() => undefined);
  }

  /** @param {LockOptions} [how] */
  async #standForElection(how) {
    this.#stand?.abort();
    const stand = (this.#stand = new AbortController());
    const until = endOf(stand.signal);
    await this.#lock(this.#name, stand.signal, () => {
      this.#lead();
      return until;
    }, how);
    if (stand.signal.aborted) return;
    this.#stepDown(); // another has taken the lead away
    this.#standForElection();
  }

  #lead() {
    this.#since = this.#timers.now() + Math.random();
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
    this.#since = 0;
    this.#results = hub.sync.results;
    hub.sync.close();
    this.#heard();
    this.#beat();
  }

  #announce() {
    this.#say({ since: this.#since, state: this.connectionState.value, clientId: this.clientId });
  }

  /** Say what is wanted, to whoever leads. */
  #ask(fresh = false) {
    if (this.#hub) return this.#hub.set(this.#id, this.#wanted, this.#onUpdate);
    this.#results = this.#results.fork(this.#wanted);
    if (fresh) this.#results.forgetPositions();
    const before = this.#turns;
    this.#turns = new Map();
    const want = this.#wanted.map(({ key, function: name, args }) => {
      const turn = (!fresh && before.get(key)) || (this.#turn += 1);
      this.#turns.set(key, turn);
      return { key, function: name, args, turn };
    });
    if (this.#since) this.#say({ from: this.#id, want });
  }

  /** @param {Said} said */
  #hear(said) {
    const { from, since = 0, state, to } = said;
    if (this.#hub) {
      // Of two that lead, the earlier is about to learn that it does no longer.
      if (from) this.#serve(this.#hub, from, said);
    } else if (state && since >= this.#since) this.#hearLeader(since, state, said.clientId);
    else if (to === this.#id && since === this.#since) this.#receive(said);
  }

  /**
   * @param {number} since
   * @param {ConnectionState} state
   * @param {string} [clientId]
   */
  #hearLeader(since, state, clientId = "") {
    this.#heard();
    this.clientId = clientId;
    if (since !== this.#since) {
      this.#since = since;
      this.#ask(true);
    }
    const before = this.connectionState.value;
    this.connectionState.set(state);
    if (state !== before) this.#beat();
  }

  /**
   * @param {Hub} hub
   * @param {string} from
   * @param {Said} said
   */
  #serve(hub, from, { ask, want }) {
    if (want) {
      if (!hub.has(from)) {
        const { signal } = /** @type {AbortController} */ (this.#stand);
        this.#lock(`${this.#name} ${from}`, signal, () => hub.remove(from));
      }
      hub.set(from, want, (position, changes) => {
        const entries = changes.map(({ key, entry, result, turn }) => {
          return /** @type {const} */ ([key, entry ?? entryOf(result), turn]);
        });
        this.#say({ since: this.#since, to: from, position, entries });
      });
    }
    if (!ask) return;
    hub.sync[ask]();
    this.#announce();
  }

  /** @param {Said} told */
  #receive({ position = null, entries = [] }) {
    this.#heard();
    const ours = entries.filter(([key, , turn]) => this.#turns.get(key) === turn);
    try {
      const changes = this.#results.receive(position, ours);
      this.#onUpdate(this.#results.reached, changes);
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
    if (!this.#channel || this.#hub || this.#wanted.length === 0) return;
    const silent = this.#timers.now() - this.#heardAtMs > silenceOnWakeMsMax;
    if (silent) this.#since = 0;
    const anxious = !this.#since || this.connectionState.value !== "live";
    if (silent && this.#nudged) {
      this.#heard();
      this.#standForElection({ steal: true });
    } else if (anxious) {
      this.#nudged = silent;
      this.#say({ from: this.#id, ask: "nudge" });
    }
    const delayMs = anxious ? nudgeMs : silenceOnWakeMsMax;
    this.#watch = this.#timers.setTimeout(() => this.#beat(), delayMs);
  }

  /** @param {Said} said */
  #say(said) {
    this.#channel?.postMessage(said);
  }
}

/** @param {AbortSignal} signal */
const endOf = (signal) => new Promise((resolve) => signal.addEventListener("abort", resolve));

/**
 * @param {import("./results.js").Result} result
 * @returns {Entry}
 */
function entryOf({ value, error, at }) {
  if (error) return { error: { ...error, message: error.message } };
  return { snapshot: value, ...(at && { at }) };
}
