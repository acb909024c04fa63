// A server whose queries are lists that only grow, as PROTOCOL.md has it: some queries are run again
// and lag, some fail for a while, streams break, answers are lost, and builds follow each other.

const READ_AGAIN_MS = [5, 60, 400];

export class Server {
  streams = new Set();
  reachable = true;
  troubled = true;
  /** How new streams are refused: "never", "after", or not. */
  refusing = null;
  build = "b";
  now = 10;
  applied = [];
  answeredMs = new Map();
  #answers = new Map();
  #queries = new Map();

  /**
   * @param world Its time.
   * @param dice
   * @param names Of queries; those that begin with "slow" are run again after each change.
   * @param readAgainMs How long that takes at most, one of these.
   * @param losses How many answers to mutations are lost.
   */
  constructor(world, dice, names, readAgainMs = READ_AGAIN_MS, losses = 0.1) {
    this.readAgainMs = readAgainMs;
    this.losses = losses;
    this.world = world;
    this.dice = dice;
    for (const name of names) {
      const isSlow = name.startsWith("slow");
      this.#queries.set(name, { name, isSlow, steps: [{ at: 0, value: 0 }], staleFrom: null });
    }
  }

  /** The list as it was at a time. */
  valueAt(name, time) {
    const { steps } = this.#queries.get(name);
    return steps.filter(({ at }) => at <= time).map(({ value }) => value);
  }

  /** A value that was read elsewhere, a little while ago. */
  preload(name) {
    const { staleFrom } = this.query(name);
    const past = this.now - this.dice.below(3);
    const time = staleFrom === null ? past : Math.min(past, staleFrom - 1);
    const value = this.valueAt(name, time);
    return { function: name, args: {}, value, position: this.position(time) };
  }

  /** One transaction, which adds a value to each of these lists. */
  change(names, value = this.now + 1) {
    this.now += 1;
    for (const name of names) {
      const query = this.#queries.get(name);
      query.steps.push({ at: this.now, value });
      if (query.isSlow) this.#readAgain(query);
    }
    this.#flush();
    return this.position(this.now);
  }

  /** Touched, though nothing of the result is another. */
  touch(name) {
    this.now += 1;
    const query = this.#queries.get(name);
    if (query.isSlow) this.#readAgain(query);
    this.#flush();
  }

  fail(name, retry) {
    const query = this.#queries.get(name);
    if (query.error) return;
    this.now += 1;
    query.error = { code: "internal", message: "It failed.", retry };
    query.failures = (query.failures ?? 0) + 1;
    this.#flush();
    this.world.at(this.dice.below(3_000), () => {
      this.now += 1;
      query.error = null;
      this.#flush();
    });
  }

  position(time, isSettled = true) {
    return `${time}.1~${this.build}${isSettled ? "" : "-"}`;
  }

  drop() {
    for (const stream of [...this.streams]) stream.fail();
  }

  deploy() {
    this.build = this.build === "b" ? "c" : "b";
    this.drop();
  }

  /** What a page that is gone had open. */
  forget(tab) {
    for (const stream of [...this.streams]) if (stream.tab === tab) this.streams.delete(stream);
  }

  /** Every stream says that it lives, every 15 s. */
  beat() {
    for (const stream of this.streams) stream.beat();
    this.world.at(15_000, () => this.beat());
  }

  #readAgain(query) {
    if (query.staleFrom !== null) return void (query.isTouched = true);
    query.staleFrom = this.now;
    query.isTouched = false;
    this.world.at(this.dice.below(this.dice.pick(this.readAgainMs)), () => this.#haveRead(query));
  }

  #haveRead(query) {
    query.staleFrom = null;
    if (query.isTouched) this.#readAgain(query);
    for (const stream of this.streams) stream.touched.add(query.name);
    this.#flush();
  }

  #flush() {
    for (const stream of this.streams) stream.wake();
  }

  query(name) {
    return this.#queries.get(name);
  }

  /** The `fetch` of a tab: an answer comes sooner or later, or never. */
  fetchOf = (tab) => (url, { body, headers, signal }) =>
    new Promise((resolve, reject) => {
      const { dice, world } = this;
      const lost = () => tab.post("network", () => reject(new TypeError("lost")));
      if (signal?.aborted) return reject(signal.reason);
      signal?.addEventListener("abort", () => reject(signal.reason));
      const answer = (status, said, onAnswer = () => undefined) =>
        tab.post("network", () => {
          onAnswer();
          resolve(new Response(JSON.stringify(said), { status }));
        });
      const refuse = (status, code) =>
        answer(status, { error: { code, message: code, retry: "after" } });
      const trouble = this.troubled ? dice.below(20) : 20;
      if (trouble === 0) return world.at(dice.below(100), lost);
      if (trouble === 1) return world.at(dice.below(100), () => refuse(503, "unavailable"));
      if (trouble === 2) return; // until the client gives up
      world.at(dice.below(80), () => {
        if (!this.reachable) return lost();
        if (url.startsWith("/api/sync") && this.refusing === "never") {
          const error = { code: "unauthenticated", message: "Who?", retry: "never" };
          return answer(401, { error });
        }
        if (url.startsWith("/api/sync")) return refuse(503, "unavailable");
        const key = headers["Idempotency-Key"];
        let done = this.#answers.get(key);
        if (!done) {
          const { id, lists, refused } = JSON.parse(body);
          if (refused) {
            const error = { code: "conflict", message: "No.", retry: "never" };
            return world.at(dice.below(80), () => answer(409, { error }));
          }
          this.applied.push(id);
          done = { value: id, position: this.change(lists, `m${id}`) };
          this.#answers.set(key, done);
          for (const stream of this.streams) {
            if (stream.client === headers["Headwater-Client"]) stream.progress(this.now);
          }
        }
        const isLost = this.troubled && dice.chance(this.losses);
        world.at(dice.below(80), () => {
          if (isLost) return lost();
          answer(200, done, () => this.answeredMs.set(done.value, world.nowMs));
        });
      });
    });

  /** The class `EventSource` of a tab. */
  of(tab) {
    const server = this;
    return class extends Stream {
      constructor(url) {
        super(server, tab, url);
      }
    };
  }
}

class Stream {
  readyState = 0;
  onmessage = null;
  onerror = null;
  touched = new Set();
  #subscribed;
  #told = null;
  #owes = 0;
  #waking = false;

  constructor(server, tab, url) {
    this.server = server;
    this.tab = tab;
    const asked = new URL(url, "http://server").searchParams;
    const queries = JSON.parse(asked.get("queries"));
    this.client = asked.get("client");
    this.#subscribed = queries.map(({ id, function: name, from }) => ({ id, name, from }));
    server.streams.add(this);
    server.world.at(server.dice.below(60), () => this.#begin());
  }

  close() {
    this.readyState = 2;
    this.server.streams.delete(this);
  }

  fail() {
    if (!this.server.streams.delete(this)) return;
    this.tab.post("network", () => this.readyState === 2 || this.onerror?.({}));
  }

  #begin() {
    const { server } = this;
    if (!server.streams.has(this)) return;
    if (server.refusing) {
      server.streams.delete(this);
      this.tab.post("network", () => {
        if (this.readyState === 2) return;
        this.readyState = 2;
        this.onerror?.({});
      });
      return;
    }
    if (!server.reachable || (server.troubled && server.dice.chance(0.05))) return this.fail();
    this.build = server.build;
    let furthest = null;
    for (const one of this.#subscribed) {
      one.cursor = null;
      const from = /^(\d+)\.1~(.)(-?)$/.exec(one.from ?? "");
      if (!from || from[2] !== this.build || server.dice.chance(0.1)) continue;
      if (!furthest || Number.parseInt(furthest, 10) < Number(from[1])) furthest = one.from;
      const query = server.query(one.name);
      const isKnown = query.staleFrom === null || Number(from[1]) < query.staleFrom;
      if (!from[3] && isKnown && !query.error) one.cursor = Number(from[1]);
      one.failures = query.failures;
    }
    this.#tell({ from: furthest });
  }

  wake() {
    if (this.#told === null || this.#waking) return;
    this.#waking = true;
    this.server.world.at(this.server.dice.below(25), () => {
      this.#waking = false;
      if (this.server.streams.has(this)) this.#tell();
    });
  }

  progress(time) {
    this.#owes = time;
    this.wake();
  }

  beat() {
    if (this.#told !== null) this.#tell({}, true);
  }

  #tell(more = {}, isDue = this.#told === null) {
    const { server } = this;
    const { now } = server;
    const isMine = this.#owes > (this.#told ?? 0);
    let isSettled = true;
    const entries = {};
    for (const one of this.#subscribed) {
      const query = server.query(one.name);
      const through = query.staleFrom === null ? now : query.staleFrom - 1;
      const lags = through < now;
      if (lags) isSettled = false;
      const at = lags ? { at: server.position(through) } : {};
      if (query.error) {
        if (!one.failed) entries[one.id] = { error: query.error };
        one.failed = true;
        continue;
      }
      if (one.failures !== query.failures) one.cursor = null;
      one.failed = false;
      one.failures = query.failures;
      const missed = query.steps.filter((step) => step.at > one.cursor && step.at <= through);
      if (one.cursor === null) {
        entries[one.id] = { snapshot: server.valueAt(one.name, through), ...at };
      } else if (missed.length > 0) {
        const patch = missed.map(({ value }) => ({ op: "add", path: "/-", value }));
        entries[one.id] = { patch, ...at };
      } else if ((lags && (isMine || isDue)) || (one.behind && !lags)) {
        entries[one.id] = { patch: [], ...at };
      }
      if (entries[one.id]) one.behind = lags;
      one.cursor = Math.max(through, one.cursor ?? 0);
    }
    if (Object.keys(entries).length === 0 && !isDue && !isMine) return;
    this.#told = now;
    const data = JSON.stringify({ ...more, queries: entries });
    const event = { data, lastEventId: server.position(now, isSettled) };
    this.tab.post("network", () => this.readyState === 2 || this.onmessage?.(event));
  }
}
