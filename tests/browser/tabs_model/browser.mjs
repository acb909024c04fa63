// A browser of many tabs, as far as a client sees it: locks, channels, timers, and the ends of
// pages. Its time is the test's; each message takes a while of its own, and a slow tab's take long.

/** Until the promises that are ready have run. */
const settle = () => new Promise((resolve) => setImmediate(resolve));

export class World {
  nowMs = 1_000_000;
  #events = [];
  #count = 0;

  /** Do something after a while. */
  at(delayMs, run) {
    const event = { dueMs: this.nowMs + delayMs, order: (this.#count += 1), run };
    this.#events.push(event);
    return event;
  }

  cancel(event) {
    const index = this.#events.indexOf(event);
    if (index >= 0) this.#events.splice(index, 1);
  }

  async advance(ms) {
    const endMs = this.nowMs + ms;
    await settle();
    for (;;) {
      let next;
      for (const one of this.#events) {
        if (one.dueMs > endMs) continue;
        if (!next || one.dueMs < next.dueMs || (one.dueMs === next.dueMs && one.order < next.order))
          next = one;
      }
      if (!next) break;
      this.cancel(next);
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      next.run();
      await settle();
    }
    this.nowMs = endMs;
  }
}

/** A page in a tab: everything that reaches it comes through `post`. */
export class Tab {
  state = "here"; // or "frozen", or "gone"
  slowMs = 0;
  #held = [];
  #roads = new Map();
  #timers = new Map();
  #count = 0;
  #listeners = new Map();

  constructor(world, dice, name) {
    this.world = world;
    this.dice = dice;
    this.name = name;
  }

  /** What comes by one road comes in order; roads do not wait for each other. */
  post(name, run) {
    const road = this.#roads.get(name) ?? { dueMs: 0, queue: [] };
    this.#roads.set(name, road);
    const { nowMs } = this.world;
    const wished = nowMs + this.dice.below(6) + (this.slowMs && this.dice.below(this.slowMs));
    road.dueMs = Math.max(wished, road.dueMs);
    road.queue.push(run);
    this.world.at(road.dueMs - nowMs, () => this.#run(() => road.queue.shift()()));
  }

  #run(run) {
    if (this.state === "frozen") this.#held.push(run);
    else if (this.state === "here") run();
  }

  timers = {
    now: () => this.world.nowMs,
    setTimeout: (callback, delayMs) => {
      const timer = (this.#count += 1);
      const late = delayMs + (this.slowMs && this.dice.below(this.slowMs));
      const run = () => this.#timers.delete(timer) && callback();
      this.#timers.set(timer, this.world.at(late, () => this.#run(run)));
      return timer;
    },
    clearTimeout: (timer) => {
      const event = this.#timers.get(timer);
      if (event) this.world.cancel(event);
      this.#timers.delete(timer);
    },
    nextFrame: (callback) => void this.timers.setTimeout(callback, this.dice.below(17)),
  };

  /** How many timers have not run. */
  get pending() {
    return this.#timers.size;
  }

  addEventListener = (type, listener, options) => {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners.add(listener));
    options?.signal?.addEventListener("abort", () => listeners.delete(listener));
  };

  dispatch(type) {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) listener({ type });
  }

  freeze() {
    this.state = "frozen";
  }

  thaw() {
    this.state = "here";
    for (const run of this.#held.splice(0)) {
      this.world.at(this.dice.below(6), () => this.#run(run));
    }
  }
}

/** Web Locks of one origin. */
export class Locks {
  #byName = new Map();

  constructor(world) {
    this.world = world;
  }

  of(tab) {
    return {
      request: (name, options, callback) =>
        new Promise((resolve, reject) => {
          const { signal, steal = false } = options;
          if (signal?.aborted) return reject(signal.reason);
          const request = { tab, callback, resolve, reject, held: false, over: false };
          const lock = this.#byName.get(name) ?? { holder: null, queue: [] };
          this.#byName.set(name, lock);
          if (steal) {
            const robbed = lock.holder;
            if (robbed) {
              robbed.over = true;
              robbed.tab.post("locks", () => robbed.reject(new DOMException("", "AbortError")));
            }
            lock.holder = null;
            lock.queue.unshift(request);
          } else {
            lock.queue.push(request);
          }
          signal?.addEventListener("abort", () => {
            if (request.held) return;
            lock.queue.splice(lock.queue.indexOf(request), 1);
            reject(signal.reason);
          });
          this.#grant(lock);
        }),
    };
  }

  #grant(lock) {
    if (lock.holder || lock.queue.length === 0) return;
    const request = (lock.holder = lock.queue.shift());
    const release = () => {
      if (request.over) return;
      request.over = true;
      lock.holder = null;
      this.#grant(lock);
    };
    request.release = release;
    request.held = true;
    request.tab.post("locks", async () => {
      if (request.over) return;
      const value = await request.callback();
      if (!request.over) request.resolve(value);
      release();
    });
  }

  /** What a page that is gone held or waited for. */
  drop(tab) {
    for (const lock of this.#byName.values()) {
      lock.queue = lock.queue.filter((request) => request.tab !== tab);
      if (lock.holder?.tab === tab) lock.holder.release();
      else this.#grant(lock);
    }
  }
}

/** BroadcastChannels of one origin. */
export class Channels {
  #open = new Set();

  of(tab) {
    const open = this.#open;
    return class {
      onmessage = null;
      constructor(name) {
        this.name = name;
        this.tab = tab;
        open.add(this);
      }
      postMessage(message) {
        const data = structuredClone(message);
        for (const other of open) {
          if (other === this || other.name !== this.name) continue;
          other.tab.post(`channel ${tab.name}`, () => open.has(other) && other.onmessage?.({ data }));
        }
      }
      close() {
        open.delete(this);
      }
    };
  }

  drop(tab) {
    for (const one of [...this.#open]) if (one.tab === tab) one.close();
  }
}
