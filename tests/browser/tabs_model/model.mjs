// Tabs of a browser, of which any may be slow, frozen, kept for later, closed or crash, at any
// time: in the end all show what the server has, by one stream, and meanwhile no list gets shorter,
// and what a tab has written itself is shown when it is said to be done.
//
//     node model.mjs <bundle of the client> <seed> <schedules> [slow]
//
// With "slow" a query is behind for longer than a lost answer is asked for again.
import { readFileSync } from "node:fs";
import { Channels, Locks, Tab, World } from "./browser.mjs";
import { createDice } from "../dice.mjs";
import { Server } from "../client_model/server.mjs";

const [bundle, seed, schedules, slow] = process.argv.slice(2);
const NAMES = slow ? ["a", "slow"] : ["a", "b", "c", "d", "slow"];
const SERVER = slow ? [[8_000], 0.5] : [];
const TABS_MAX = 5;
const STEPS_MAX = 40;
const REST_MS = 90_000;
const PASS_MS_MAX = 10_000;

// Each tab has the client's code to itself, with what it believes to be global.
const load = new Function(
  "globalThis",
  "navigator",
  "document",
  "BroadcastChannel",
  "addEventListener",
  `${readFileSync(bundle, "utf8")}; return headwater;`,
);

class Fault extends Error {}

class Schedule {
  tabs = [];
  #names = 0;
  #writes = -1;
  trace = [];

  constructor(seed) {
    this.dice = createDice(seed);
    this.world = new World();
    this.locks = new Locks(this.world);
    this.channels = new Channels();
    this.server = new Server(this.world, this.dice, NAMES, ...SERVER);
    this.server.beat();
  }

  say(...words) {
    this.trace.push(`${this.world.nowMs - 1_000_000} ${words.join(" ")}`);
  }

  open() {
    const tab = new Tab(this.world, this.dice, `tab${(this.#names += 1)}`);
    if (this.dice.chance(0.3)) tab.slowMs = this.dice.pick([50, 1_500, 4_000]);
    const navigator = { locks: this.locks.of(tab) };
    const BroadcastChannel = this.channels.of(tab);
    const { addEventListener } = tab;
    const known = { document: {}, navigator, BroadcastChannel, addEventListener };
    const { console, crypto } = globalThis;
    const global = { ...known, console, crypto, reportError: (error) => (this.fault = error.stack) };
    const { createClient } = load(global, navigator, {}, BroadcastChannel, addEventListener);
    tab.client = createClient({
      EventSource: this.server.of(tab),
      fetch: this.server.fetchOf(tab),
      clientId: tab.name,
      timers: tab.timers,
      random: this.dice.random,
    });
    tab.following = new Map();
    this.tabs.push(tab);
    this.say("open", tab.name, tab.slowMs);
    this.follow(tab);
  }

  follow(tab) {
    const name = this.dice.pick(NAMES);
    if (tab.following.has(name)) return;
    const preloaded = this.dice.chance(0.2) ? this.server.preload(name) : undefined;
    this.say("follow", tab.name, name, preloaded?.position ?? "");
    const live = tab.client.live(name, {}, { preloaded });
    let length = 0;
    const hear = () => {
      const { value, error, at } = live.result ?? {};
      if (error?.retry === "after") return;
      if (error) throw new Fault(`${tab.name} ${name} heard ${error}`);
      const real = value.filter((one) => !String(one).startsWith("o"));
      if (real.length < length) this.fault = `${tab.name}: ${name} has become shorter`;
      if (at === null) length = real.length; // what was read elsewhere may be ahead of the stream
    };
    tab.following.set(name, { live, leave: live.subscribe(hear) });
  }

  /** Write something, and see it when that is said to be done. */
  write(tab) {
    const id = (this.#writes += 1);
    const lists = NAMES.filter(() => this.dice.chance(0.4));
    const optimistic = (store) => {
      for (const list of lists) {
        const value = store.get(list);
        if (value) store.set(list, {}, [...value, `o${id}`]);
      }
    };
    this.say("write", tab.name, id, lists);
    tab.client.mutation("m", { id, lists }, { optimistic }).then(
      () => {
        this.say("written", tab.name, id);
        if (this.world.nowMs - this.server.answeredMs.get(id) >= PASS_MS_MAX) return;
        for (const [name, { live }] of tab.following) {
          const { value, error, at } = live.result ?? {};
          if (!lists.includes(name) || !value || error || at !== null) continue;
          if (!value.includes(`m${id}`)) this.fault = `${tab.name}: ${name} lacks m${id}: ${value}`;
        }
      },
      (error) => this.say("not written", id, error.code),
    );
  }

  leave(tab) {
    const name = this.dice.pick([...tab.following.keys()]);
    if (!name) return;
    this.say("leave", tab.name, name);
    tab.following.get(name).leave();
    tab.following.delete(name);
  }

  end(tab, how) {
    this.say(how, tab.name);
    if (how === "close" && tab.state === "here") tab.dispatch("pagehide");
    tab.state = "gone";
    this.tabs.splice(this.tabs.indexOf(tab), 1);
    this.locks.drop(tab);
    this.channels.drop(tab);
    this.server.forget(tab);
  }

  /** The browser keeps the page of a tab that went elsewhere, and it comes back. */
  keep(tab) {
    this.say("keep", tab.name);
    tab.dispatch("pagehide");
    tab.freeze();
    this.world.at(this.dice.below(30_000), () => {
      this.say("back", tab.name);
      tab.thaw();
      tab.dispatch("pageshow");
    });
  }

  step() {
    const here = this.tabs.filter((tab) => tab.state === "here");
    const tab = here.length > 0 ? this.dice.pick(here) : undefined;
    const dice = this.dice;
    const choice = dice.below(20);
    if (!tab || (choice === 0 && this.tabs.length < TABS_MAX)) {
      if (this.tabs.length < TABS_MAX) this.open();
    } else if (choice <= 3) this.follow(tab);
    else if (choice <= 5) this.leave(tab);
    else if (choice === 6) this.end(tab, "close");
    else if (choice === 7) this.end(tab, "crash");
    else if (choice === 8) {
      this.say("freeze", tab.name);
      tab.freeze();
      const forMs = dice.pick([500, 5_000, 60_000]);
      this.world.at(dice.below(forMs), () => {
        if (tab.state !== "frozen") return;
        this.say("thaw", tab.name);
        tab.thaw();
      });
    } else if (choice === 9) this.keep(tab);
    else if (choice === 10) {
      this.say("drop");
      this.server.drop();
    } else if (choice === 11) {
      this.server.reachable = dice.chance(0.5);
      this.say("reachable", this.server.reachable);
    } else if (choice === 12) {
      tab.slowMs = dice.pick([0, 50, 1_500, 4_000]);
      this.say("slow", tab.name, tab.slowMs);
    } else if (choice <= 15) this.write(tab);
    else if (choice === 16 && dice.chance(0.5)) {
      this.say("deploy");
      this.server.deploy();
    } else if (choice === 17) {
      const name = dice.pick(NAMES);
      this.say("fail", name);
      this.server.fail(name, "after");
    } else {
      const names = NAMES.filter(() => dice.chance(0.4));
      this.say("change", names);
      this.server.change(names);
    }
  }

  async run() {
    this.open();
    for (let left = this.dice.below(STEPS_MAX); left > 0; left -= 1) {
      this.step();
      await this.world.advance(this.dice.pick([0, 0, 1, 10, 100, 1_000, 6_000]));
      this.check();
    }
    this.server.reachable = true;
    this.server.troubled = false;
    for (const tab of this.tabs) tab.slowMs = 0;
    await this.world.advance(REST_MS);
    this.server.change(NAMES);
    await this.world.advance(slow ? 20_000 : 2_000);
    this.check();
    const wanting = this.tabs.filter((tab) => tab.following.size > 0);
    for (const tab of wanting) {
      for (const [name, { live }] of tab.following) {
        const shown = JSON.stringify(live.result?.value);
        const real = JSON.stringify(this.server.valueAt(name, Infinity));
        if (shown !== real) throw new Fault(`${tab.name}: ${name} shows ${shown}, not ${real}`);
      }
      const state = tab.client.connectionState.value;
      if (state !== "live") throw new Fault(`${tab.name} is ${state}`);
    }
    const streams = this.server.streams.size;
    if (streams !== Math.min(wanting.length, 1)) throw new Fault(`${streams} streams`);
  }

  check() {
    if (this.fault) throw new Fault(this.fault);
  }
}

for (let number = 0; number < Number(schedules); number += 1) {
  const schedule = new Schedule(Number(seed) + number);
  try {
    await schedule.run();
  } catch (error) {
    const said = error instanceof Fault ? error.message : error.stack;
    console.error([...schedule.trace, `seed ${Number(seed) + number}: ${said}`].join("\n"));
    process.exit(1);
  }
}
console.log(`${schedules} schedules from seed ${seed}`);
