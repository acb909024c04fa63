// Tabs of a browser, of which any may be slow, frozen, kept for later, closed or crash, at any
// time: in the end all show what the server has, by one stream, and meanwhile no list gets shorter.
//
//     node model.mjs <bundle of the client> <seed> <schedules>
import { readFileSync } from "node:fs";
import { Channels, Locks, Tab, World } from "./browser.mjs";
import { createDice } from "../dice.mjs";
import { Server } from "./server.mjs";

const [bundle, seed, schedules] = process.argv.slice(2);
const NAMES = ["a", "b", "c", "d", "e"];
const TABS_MAX = 5;
const STEPS_MAX = 40;
const REST_MS = 90_000;

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
  trace = [];

  constructor(seed) {
    this.dice = createDice(seed);
    this.world = new World();
    this.locks = new Locks(this.world);
    this.channels = new Channels();
    this.server = new Server(this.world, this.dice, NAMES);
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
    this.say("follow", tab.name, name);
    const live = tab.client.live(name, {});
    let length = 0;
    const hear = () => {
      const { value, error } = live.result ?? {};
      if (error) throw new Fault(`${tab.name} ${name} heard ${error}`);
      if (value.length < length) this.fault = `${tab.name}: ${name} has become shorter`;
      length = value.length;
    };
    tab.following.set(name, { live, leave: live.subscribe(hear) });
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
    const choice = dice.below(16);
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
    } else this.server.change(dice.pick(NAMES));
  }

  async run() {
    this.open();
    for (let left = this.dice.below(STEPS_MAX); left > 0; left -= 1) {
      this.step();
      await this.world.advance(this.dice.pick([0, 0, 1, 10, 100, 1_000, 6_000]));
      this.check();
    }
    this.server.reachable = true;
    for (const tab of this.tabs) tab.slowMs = 0;
    await this.world.advance(REST_MS);
    for (const name of NAMES) this.server.change(name);
    await this.world.advance(1_000);
    this.check();
    const wanting = this.tabs.filter((tab) => tab.following.size > 0);
    for (const tab of wanting) {
      for (const [name, { live }] of tab.following) {
        const shown = JSON.stringify(live.result?.value);
        const real = JSON.stringify(this.server.values[name]);
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
