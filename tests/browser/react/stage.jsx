// A page with React in it, whose server, clock and console are the test's.

import { createClient } from "headwater";
import { HeadwaterProvider } from "headwater/react";
import assert from "node:assert/strict";
import { afterEach } from "node:test";
import { act, Component, StrictMode } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { createClock, createEventSources, refusal } from "../fakes.mjs";

/** What was said on the console: React's warnings among them. */
export const complaints = [];
console.error = (...words) => complaints.push(words.map(String).join(" "));
console.warn = console.error;

const endings = [];
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end();
  assert.deepEqual(complaints.splice(0), []);
});

/** An answer of the server that is an error. */
export class Refusal extends Error {
  constructor(code, retry = "never") {
    super(code);
    this.body = refusal(code, retry);
  }
}

/**
 * A client, the server that it speaks to, and a root.
 *
 * `data(function, args)` is what a query gives: undefined is not known yet, a Refusal an error.
 * `answer(function, args)` is what a call gives. Both may be set anew; `tick` tells the page.
 */
export function setUp(data = () => undefined, answer = () => null) {
  const clock = createClock();
  const { FakeEventSource, opened, live } = createEventSources();
  const calls = [];
  const told = new Map();
  let step = 0;

  async function fetch(url, { body, headers, keepalive }) {
    const name = url.split("/").at(-1);
    const args = JSON.parse(body);
    const call = { name, args, key: headers["Idempotency-Key"], ...(keepalive && { keepalive }) };
    calls.push(call);
    const value = await stage.answer(call.name, call.args);
    const [status, json] =
      value instanceof Refusal ? [400, value.body] : [200, { value, position: `${step}.1~b` }];
    return new Response(JSON.stringify(json), { status });
  }

  const client = createClient({
    fetch,
    EventSource: FakeEventSource,
    clientId: "me",
    timers: clock.timers,
    random: () => 1,
  });

  const stage = {
    answer,
    calls,
    client,
    clock,
    data,
    opened,
    /** The queries that are followed now, as the newest stream has them. */
    followed: () => live().at(-1)?.queries ?? [],

    /** Let time pass, and tell every stream what has changed. */
    tick: (ms = 0) =>
      act(async () => {
        await clock.advance(ms);
        step += 1;
        for (const source of live()) tell(source);
        await clock.advance(0);
      }),

    /** Show it in a document of its own. */
    async render(element, { strict = false } = {}) {
      const container = document.createElement("div");
      document.body.append(container);
      const whole = (inner) => {
        const provided = <HeadwaterProvider client={client}>{inner}</HeadwaterProvider>;
        return strict ? <StrictMode>{provided}</StrictMode> : provided;
      };
      const root = createRoot(container, { onCaughtError: () => undefined });
      await act(async () => root.render(whole(element)));
      const shown = {
        container,
        text: () => container.textContent,
        render: (inner) => act(async () => root.render(whole(inner))),
        unmount: () => act(async () => root.unmount()),
      };
      endings.push(shown.unmount);
      return shown;
    },

    /** Take over what a server has rendered. */
    async hydrate(html, element) {
      const container = document.createElement("div");
      container.innerHTML = html;
      document.body.append(container);
      const provided = <HeadwaterProvider client={client}>{element}</HeadwaterProvider>;
      const root = await act(async () =>
        hydrateRoot(container, provided, {
          onRecoverableError: (error) => complaints.push(String(error)),
        }),
      );
      endings.push(() => act(async () => root.unmount()));
      return { text: () => container.textContent };
    },
  };
  endings.push(() => client.close());

  function tell(source) {
    const before = told.get(source);
    const entries = before ?? new Map();
    told.set(source, entries);
    const queries = {};
    for (const { id, function: name, args } of source.queries) {
      const value = stage.data(name, args);
      if (value === undefined) continue;
      const entry =
        value instanceof Refusal ? { error: value.body.error } : { snapshot: value };
      const text = JSON.stringify(entry);
      if (entries.get(id) === text) continue;
      entries.set(id, text);
      queries[id] = entry;
    }
    source.send(`${step}.1~b`, before ? { queries } : { queries, from: null });
  }
  return stage;
}

/** Shows what its children throw. */
export class Boundary extends Component {
  state = { error: undefined };
  static getDerivedStateFromError(error) {
    return { error };
  }
  render() {
    const { error } = this.state;
    return error ? `caught ${error.code ?? error.message}` : this.props.children;
  }
}

/** What a component saw in each of its renders. */
export function createLog() {
  const seen = [];
  return { seen, last: () => seen.at(-1), push: (value) => (seen.push(value), null) };
}
