// A server whose queries are lists that only grow, and its streams, some of which break.

export class Server {
  values = {};
  streams = new Set();
  reachable = true;
  #seconds = 10;
  #log = [];

  constructor(world, dice, names) {
    this.world = world;
    this.dice = dice;
    for (const name of names) this.values[name] = [0];
  }

  get position() {
    return `${this.#seconds}.1~b`;
  }

  change(name) {
    this.#seconds += 1;
    this.values[name].push(this.#seconds);
    this.#log.push({ seconds: this.#seconds, name });
    for (const stream of this.streams) stream.tell(name);
  }

  drop() {
    for (const stream of [...this.streams]) stream.fail();
  }

  /** The class `EventSource` of a tab. */
  of(tab) {
    const server = this;
    return class {
      readyState = 0;
      onmessage = null;
      onerror = null;
      #queries;
      #begun = false;
      constructor(url) {
        this.tab = tab;
        this.#queries = JSON.parse(new URL(url, "http://server").searchParams.get("queries"));
        server.streams.add(this);
        server.world.at(server.dice.below(60), () => this.#begin());
      }
      close() {
        this.readyState = 2;
        server.streams.delete(this);
      }
      fail() {
        if (!server.streams.delete(this)) return;
        tab.post("network", () => this.readyState === 2 || this.onerror?.({}));
      }
      #begin() {
        if (!server.streams.has(this)) return;
        if (!server.reachable) return this.fail();
        this.#begun = true;
        const held = this.#queries.find((query) => query.from)?.from;
        const from = held && server.dice.chance(0.7) ? held : null;
        const entries = this.#queries.flatMap(({ id, function: name, from: own }) => {
          if (!from || own !== from) return [[id, { snapshot: server.values[name] }]];
          const missed = server.#log.filter(
            (change) => change.name === name && change.seconds > Number.parseInt(from, 10),
          );
          if (missed.length === 0) return [];
          return [
            [id, { patch: missed.map(({ seconds: value }) => ({ op: "add", path: "/-", value })) }],
          ];
        });
        this.#send({ from, queries: Object.fromEntries(entries) });
      }
      tell(name) {
        if (!this.#begun) return;
        const value = server.values[name].at(-1);
        const entries = this.#queries
          .filter((query) => query.function === name)
          .map(({ id }) => [id, { patch: [{ op: "add", path: "/-", value }] }]);
        if (entries.length > 0) this.#send({ queries: Object.fromEntries(entries) });
      }
      beat() {
        if (this.#begun) this.#send({ queries: {} });
      }
      #send(message) {
        const event = { data: JSON.stringify(message), lastEventId: server.position };
        tab.post("network", () => this.readyState === 2 || this.onmessage?.(event));
      }
    };
  }

  /** Every stream says that it lives, every 15 s. */
  beat() {
    for (const stream of this.streams) stream.beat();
    this.world.at(15_000, () => this.beat());
  }

  /** What a page that is gone had open. */
  forget(tab) {
    for (const stream of [...this.streams]) if (stream.tab === tab) this.streams.delete(stream);
  }
}
