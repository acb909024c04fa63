// @ts-check
/**
 * The client: live queries over one stream, and calls.
 *
 *     const headwater = createClient();
 *     const unsubscribe = headwater.subscribe("tasks.list", {}, (tasks) => show(tasks));
 *     const task = await headwater.mutation("tasks.create", { title: "Read the reports" });
 *
 * Values are shared between subscribers and between one change and the next: do not modify them.
 */

import { platformFetch } from "./access.js";
import { Calls } from "./calls.js";
import { nextFrame } from "./frames.js";
import { Mutations } from "./mutations.js";
import { Passing } from "./passing.js";
import { hasReached } from "./position.js";
import { QuerySet } from "./query_set.js";
import { randomId } from "./random_id.js";
import { createOpenSource } from "./source.js";
import { Sync } from "./sync.js";
import { Tabs } from "./tabs.js";

/** @import { Access } from "./access.js" */
/** @import { CallOptions, IdempotencyOptions, WaitOptions } from "./calls.js" */
/** @import { OnUpdate } from "./hub.js" */
/** @import { MutationOptions } from "./mutations.js" */
/** @import { Observable } from "./observable.js" */
/** @import { Listener, LiveQuery, Preloaded } from "./query_set.js" */
/** @import { ArgsAnd, ArgsOf, Kind, OfKind, ResultOf } from "./references.js" */
/** @import { ConnectionState, OpenSync } from "./sync.js" */

/**
 * The clock, as a test may want to hold it.
 * @typedef {object} Timers
 * @property {(callback: () => void, delayMs: number) => number} setTimeout
 * @property {(timer: number | undefined) => void} clearTimeout
 * @property {(callback: () => void) => void} nextFrame Once, before the next frame is drawn.
 * @property {() => number} now Milliseconds, from any start; the machine's sleep counts.
 */

/**
 * @typedef {object} ClientOptions
 * @property {string} [url] The server's address; absent: the page's own origin. Needed in Node.
 * @property {() => HeadersInit | Promise<HeadersInit>} [headers] Asked for with every call, and with
 *   every stream, which is then read by `fetch`, because an EventSource sends none.
 * @property {() => string | Promise<string>} [ticket] Asked for with every stream, whose URL says
 *   `ticket=`. It should be of use for seconds only: URLs are written down in many places.
 * @property {RequestCredentials} [credentials] "include" sends cookies to a server elsewhere.
 * @property {string} [session] Who is signed in: one tab may follow queries for another of the same
 *   session. Give it wherever people sign in; absent, all tabs of the origin are one session.
 * @property {boolean} [shareTabs] Whether the tabs of a browser share one stream: by default where
 *   they can, unless `headers` or `ticket` say who asks and no `session` does.
 * @property {typeof globalThis.fetch} [fetch]
 * @property {typeof globalThis.EventSource} [EventSource]
 * @property {string} [clientId] Names this client to the server, on the stream and on calls.
 * @property {Timers} [timers]
 * @property {() => number} [random]
 */

/**
 * A function of a client that calls those of one kind.
 * @template {Kind} K
 * @template {object} Options
 * @typedef {<F extends string>(
 *   functionName: OfKind<F, K>, ...rest: ArgsAnd<F, [options: Options]>
 * ) => Promise<ResultOf<F>>} Call
 */

/**
 * @typedef {<F extends string>(
 *   functionName: OfKind<F, "query">,
 *   ...rest: ArgsAnd<F, [options: { preloaded?: Preloaded<ResultOf<F>> | undefined }]>
 * ) => LiveQuery<ResultOf<F>>} Live
 */

/**
 * @typedef {<F extends string>(
 *   functionName: OfKind<F, "query">, ...rest: ArgsAnd<F, [options: CallOptions]>
 * ) => Promise<Preloaded<ResultOf<F>>>} Preload
 */

/** @typedef {ReturnType<typeof createClient>} Client */

/** @type {Timers} */
const realTimers = {
  setTimeout: (callback, delayMs) => /** @type {any} */ (globalThis.setTimeout(callback, delayMs)),
  clearTimeout: (timer) => globalThis.clearTimeout(timer),
  nextFrame,
  now: Date.now,
};

/** @param {ClientOptions} [options] */
export function createClient({
  url = "",
  headers,
  ticket,
  credentials,
  session,
  shareTabs = session !== undefined || !(headers || ticket),
  fetch = platformFetch,
  EventSource = url || globalThis.location ? globalThis.EventSource : undefined,
  clientId = randomId(),
  timers = realTimers,
  random = Math.random,
} = {}) {
  url = url.replace(/\/$/, "");
  /** @type {Access} */
  const access = { url, fetch, EventSource, credentials, headers, ticket };

  /** @type {string | null} */
  let position = null;
  /** @type {OnUpdate} */
  const onUpdate = (reached, changes) => {
    position = reached;
    queries.update(changes);
    passing.check();
  };
  const openSource = createOpenSource(access, clientId);
  /** @type {OpenSync} */
  const openSync = (onUpdate, results) =>
    new Sync({ openSource, timers, random, onUpdate, results });
  const name = `headwater ${url} ${session ?? ""}`;
  const share = shareTabs && canShare();
  const tabs = new Tabs({ name, share, clientId, openSync, timers, onUpdate });
  const queries = new QuerySet(timers, (wanted) => tabs.want(wanted));
  const passing = new Passing(timers, ({ position: target, client }) => {
    const followed = queries.list();
    if (followed.length === 0 || tabs.connectionState.value === "closed") return true;
    if (!position || !hasReached(position, target)) return false;
    // The stream says what is behind after its own client's mutations; after another's, that some is.
    if (client !== tabs.clientId && position.endsWith("-")) return false;
    return followed.every(({ base }) => !base?.at || hasReached(base.at, target));
  });
  const calls = new Calls(access, () => tabs.clientId, timers, random);
  const mutations = new Mutations(calls, queries, passing);
  /** @type {(...call: Parameters<Calls["call"]>) => Promise<any>} */
  const valueOf = async (...call) => (await calls.call(...call)).value;

  const wake = () => {
    calls.wake();
    tabs.wake();
  };
  const closing = new AbortController();
  for (const name of ["online", "pageshow", "visibilitychange"]) {
    globalThis.addEventListener?.(name, wake, closing);
  }

  /** @type {Observable<ConnectionState>} */
  const connectionState = tabs.connectionState;

  return {
    clientId,

    /** How the stream fares; "closed" after `close`, or when the server refused it for good. */
    connectionState,

    /** A query that can be followed, for those who keep its value elsewhere, such as React. */
    live: /** @type {Live} */ (
      (functionName, args, options) => queries.live(functionName, args ?? {}, options?.preloaded)
    ),

    /**
     * Hear a query's value now and whenever it changes, at most once a frame.
     * @template {string} F
     * @param {OfKind<F, "query">} functionName
     * @param {ArgsOf<F>} args
     * @param {((value: ResultOf<F>) => void) | Listener<ResultOf<F>>} listener
     * @returns {() => void} Unsubscribes.
     */
    subscribe(functionName, args, listener) {
      const whole = typeof listener === "function" ? { onChange: listener } : listener;
      return queries.subscribe(functionName, args, whole);
    },

    /** Read a query's value once. */
    query: /** @type {Call<"query", CallOptions>} */ (
      (functionName, args, options = {}) => valueOf("query", functionName, args ?? {}, options)
    ),

    /** Read a query's value, to be shown, and continued from, elsewhere: by `live`'s `preloaded`. */
    preload: /** @type {Preload} */ (
      async (functionName, args, options = {}) => {
        /** @type {any} */
        const { value, position } = await calls.call("query", functionName, args ?? {}, options);
        return { function: functionName, args: args ?? {}, value, position };
      }
    ),

    /**
     * Change something, once, however often the network fails on the way, after the mutations that
     * were asked for before. Resolves when what is followed shows it.
     */
    mutation: /** @type {Call<"mutation", MutationOptions>} */ (
      (functionName, args, options = {}) => mutations.run(functionName, args ?? {}, options)
    ),

    /** Start an action; resolves with its first response, or with `wait` when it is done. */
    action: /** @type {Call<"action", CallOptions & IdempotencyOptions & WaitOptions>} */ (
      (functionName, args, options) => {
        const idempotencyKey = options?.idempotencyKey ?? randomId();
        return valueOf("action", functionName, args ?? {}, { ...options, idempotencyKey });
      }
    ),

    /** Try again now, also after a refusal: somebody has signed in, say. */
    reconnect: wake,

    /** The server's address, without a slash at its end; empty: the page's own origin. */
    url,

    /** End the stream and every subscription. */
    close() {
      closing.abort();
      queries.close();
      tabs.close();
      passing.end();
    },
  };
}

/** Web Locks exist on https and localhost only, and only pages have tabs. */
function canShare() {
  return Boolean(globalThis.document && navigator.locks);
}
