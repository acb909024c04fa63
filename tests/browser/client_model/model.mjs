// One client with everything of it, on a server with every trouble: what is shown was true together,
// nothing goes back or flickers, mutations happen once and in order, and in the end all is true.
//
//     node model.mjs <seed> <schedules>
import { createClient } from "../../../server/browser/client.js";
import { createDice } from "../dice.mjs";
import { Tab, World } from "../tabs_model/browser.mjs";
import { Server } from "./server.mjs";

const [seed, schedules] = process.argv.slice(2).map(Number);
const NAMES = ["a", "b", "c", "d", "slow1", "slow2"];
const STEPS_MAX = 40;
const PASS_MS_MAX = 10_000;

class Fault extends Error {}

class Schedule {
  trace = [];
  following = new Map();
  mutations = [];
  #nowShown = new Map();
  /** Whose value may be of another time than the others'. */
  #preloaded = new Set();

  constructor(seed) {
    this.dice = createDice(seed);
    this.world = new World();
    this.tab = new Tab(this.world, this.dice, "tab");
    this.server = new Server(this.world, this.dice, NAMES);
    this.server.beat();
    this.client = createClient({
      EventSource: this.server.of(this.tab),
      fetch: this.server.fetchOf(this.tab),
      clientId: "me",
      timers: this.tab.timers,
      random: this.dice.random,
    });
    globalThis.reportError = (error) => this.blame(error.stack);
  }

  say(...words) {
    this.trace.push(`${this.world.nowMs - 1_000_000} ${words.join(" ")}`);
  }

  blame(what) {
    this.fault ??= what;
    this.say("FAULT", what);
  }

  follow() {
    const name = this.dice.pick(NAMES);
    const count = this.following.get(name)?.size ?? 0;
    if (count > 2) return;
    const preloaded = this.dice.chance(0.2) ? this.server.preload(name) : undefined;
    if (preloaded) this.#preloaded.add(name);
    this.say("follow", name, preloaded ? JSON.stringify(preloaded) : "");
    const live = this.client.live(name, {}, { preloaded });
    const own = { live, seen: undefined };
    own.leave = live.subscribe(() => {
      own.heard = live.result;
      this.look(name, live.result);
    });
    own.heard = live.result;
    if (live.result) this.look(name, live.result, true);
    const all = this.following.get(name) ?? new Set();
    this.following.set(name, all.add(own));
  }

  leave() {
    const name = this.dice.pick([...this.following.keys()]);
    if (!name) return;
    const all = this.following.get(name);
    const own = this.dice.pick([...all]);
    this.say("leave", name);
    own.leave();
    all.delete(own);
    if (all.size === 0) {
      this.following.delete(name);
      this.#nowShown.delete(name);
    }
  }

  /** What is shown of a query, and what was before. */
  look(name, result, isFirst = false) {
    const { value, error } = result ?? {};
    const before = this.#nowShown.get(name) ?? { real: [], laid: [] };
    if (error) return void this.#nowShown.set(name, { ...before, laid: [] });
    const real = value.filter((one) => !String(one).startsWith("o"));
    const laid = value.filter((one) => String(one).startsWith("o"));
    const truth = this.server.valueAt(name, Infinity).slice(0, real.length);
    if (JSON.stringify(truth) !== JSON.stringify(real)) {
      this.blame(`${name} was never ${JSON.stringify(value)}`);
    }
    // What was read elsewhere may be ahead of the stream.
    if (!isFirst && !this.#preloaded.has(name) && real.length < before.real.length) {
      this.blame(`${name} went back from ${before.real.length} to ${real.length}`);
    }
    for (const one of before.laid) {
      const id = Number(one.slice(1));
      const mutation = this.mutations[id];
      const isOver = mutation.failed;
      if (!isOver && !value.includes(one) && !value.includes(`m${id}`) && !this.late(mutation)) {
        this.blame(`${name} flickers: it shows neither ${one} nor m${id}`);
      }
    }
    for (const one of laid) {
      const { ended } = this.mutations[Number(one.slice(1))];
      if (ended) this.blame(`${name} shows ${one} after its mutation has ended`);
    }
    if (result.at === null) this.#preloaded.delete(name);
    this.#nowShown.set(name, { real, laid });
  }

  late({ id }) {
    return this.world.nowMs - this.server.answeredMs.get(id) >= PASS_MS_MAX;
  }

  mutate() {
    const id = this.mutations.length;
    const lists = NAMES.filter(() => this.dice.chance(0.4));
    const controller = this.dice.chance(0.2) ? new AbortController() : null;
    const mutation = { id, lists, controller };
    const refused = this.dice.chance(0.1);
    this.mutations.push(mutation);
    const isShown = this.dice.chance(0.7);
    const optimistic = (store) => {
      for (const list of lists) {
        const value = store.get(list);
        if (value) store.set(list, {}, [...value, `o${id}`]);
      }
    };
    this.say("mutate", id, lists, isShown ? "optimistic" : "", refused ? "refused" : "");
    this.client
      .mutation("m", { id, lists, refused }, {
        ...(isShown && { optimistic }),
        ...(controller && { signal: controller.signal }),
      })
      .then(
        () => {
          this.say("done", id);
          mutation.ended = true;
          this.mustShow(mutation);
        },
        (error) => {
          this.say("failed", id, error.code ?? error.name);
          mutation.failed = true;
          mutation.failure = error;
          if (error.name === "Error" || error instanceof TypeError) this.blame(error.stack);
        },
      );
    if (controller) this.world.at(this.dice.below(500), () => {
      this.say("abort", id);
      controller.abort();
    });
  }

  mustShow(mutation) {
    if (this.closed || this.late(mutation)) return;
    for (const name of mutation.lists) {
      for (const { live } of this.following.get(name) ?? []) {
        const { value, error } = live.result ?? {};
        if (!value || live.result.at || error) continue;
        // What was followed since may be of before; under an optimistic update that does not show.
        const isLaid = value.some((one) => String(one).startsWith("o"));
        if (isLaid && (name.startsWith("slow") || this.#preloaded.has(name))) continue;
        if (!value.includes(`m${mutation.id}`)) {
          this.blame(`${mutation.id} has resolved, and ${name} shows ${JSON.stringify(value)}`);
        }
      }
    }
  }

  step() {
    const { dice, server, client } = this;
    const choice = dice.below(24);
    if (choice <= 3) this.follow();
    else if (choice <= 6) this.leave();
    else if (choice <= 10) this.mutate();
    else if (choice === 11) {
      this.say("drop");
      server.drop();
    } else if (choice === 12) {
      server.reachable = dice.chance(0.5);
      this.say("reachable", server.reachable);
    } else if (choice === 13) {
      this.say("wake");
      client.reconnect();
    } else if (choice === 14 && dice.chance(0.3)) {
      this.say("deploy");
      server.deploy();
    } else if (choice === 15) {
      const name = dice.pick(NAMES);
      const retry = dice.pick(["never", "after"]);
      this.say("fail", name, retry);
      server.fail(name, retry);
    } else if (choice === 17) {
      server.refusing = dice.pick(["never", "after", null, null]);
      this.say("refuse", server.refusing);
    } else if (choice === 16) {
      const name = dice.pick(NAMES);
      this.say("touch", name);
      server.touch(name);
    } else {
      const names = NAMES.filter(() => dice.chance(0.4));
      this.say("change", names, server.now + 1);
      server.change(names);
    }
  }

  /** All that is shown of maintained queries was true at one time. */
  checkTogether() {
    let from = 0;
    let until = Infinity;
    const shown = {};
    for (const name of this.following.keys()) {
      if (name.startsWith("slow")) continue;
      const { live } = [...this.following.get(name)][0];
      const { value, error, at } = live.result ?? {};
      if (!value || error || at || this.#preloaded.has(name)) continue;
      const real = value.filter((one) => !String(one).startsWith("o"));
      shown[name] = real;
      const { steps } = this.server.query(name);
      from = Math.max(from, steps[real.length - 1].at);
      until = Math.min(until, (steps[real.length]?.at ?? Infinity) - 1);
    }
    if (from > until) this.blame(`never together: ${JSON.stringify(shown)}`);
    for (const [name, all] of this.following) {
      for (const { live, heard } of all) {
        if (live.result !== heard) this.blame(`${name} has changed and nobody was told`);
      }
    }
  }

  async run() {
    for (let left = this.dice.below(STEPS_MAX); left > 0; left -= 1) {
      this.step();
      await this.world.advance(this.dice.pick([0, 0, 1, 10, 100, 1_000, 6_000]));
      this.checkTogether();
      this.check();
    }
    if (this.dice.chance(0.2)) return await this.close();
    this.say("rest");
    this.server.reachable = true;
    this.server.troubled = false;
    this.server.refusing = null;
    await this.world.advance(600_000);
    this.client.reconnect(); // whoever was refused has signed in
    await this.world.advance(3_000);
    this.check();
    this.server.touch("slow1");
    this.mutate();
    await this.world.advance(2_000);
    this.check();
    this.checkMutations();
    for (const [name, all] of this.following) {
      for (const { live } of all) {
        const shown = JSON.stringify(live.result?.value);
        const real = JSON.stringify(this.server.valueAt(name, Infinity));
        if (shown !== real) throw new Fault(`${name} shows ${shown}, not ${real}`);
      }
    }
    const { streams } = this.server;
    if (streams.size !== Math.min(this.following.size, 1)) throw new Fault(`${streams.size} streams`);
    this.checkMutations();
    await this.close();
  }

  checkMutations() {
    const { applied } = this.server;
    if (new Set(applied).size !== applied.length) throw new Fault(`twice: ${applied}`);
    if (applied.some((id, index) => index > 0 && id < applied[index - 1])) {
      // One that was given up may still have been on its way.
      const late = applied.filter((id) => !this.mutations[id].failed);
      if (late.some((id, index) => index > 0 && id < late[index - 1])) {
        throw new Fault(`out of order: ${applied}`);
      }
    }
    for (const { id, ended, failed } of this.mutations) {
      if (!ended && !failed) throw new Fault(`mutation ${id} has not ended`);
      if (ended && !applied.includes(id)) throw new Fault(`mutation ${id} was not applied`);
    }
  }

  async close() {
    this.say("close");
    this.closed = true;
    this.client.close();
    this.server.troubled = false;
    this.server.reachable = true;
    await this.world.advance(400_000);
    this.checkMutations();
    if (this.server.streams.size > 0) throw new Fault("a stream after the close");
    if (this.tab.pending > 0) throw new Fault(`${this.tab.pending} timers are left`);
    this.check();
  }

  check() {
    if (this.fault) throw new Fault(this.fault);
  }
}

for (let number = 0; number < schedules; number += 1) {
  const schedule = new Schedule(seed + number);
  try {
    await schedule.run();
  } catch (error) {
    const said = error instanceof Fault ? error.message : error.stack;
    console.error([...schedule.trace, `seed ${seed + number}: ${said}`].join("\n"));
    process.exit(1);
  }
}
console.log(`${schedules} schedules from seed ${seed}`);
