// @ts-check
/**
 * Where a sync stream's messages come from: an EventSource, or `fetch` where that cannot be.
 *
 * A source opens once and fails once. It never reconnects by itself, as an EventSource would:
 * the positions to continue from change with every message, and so does the URL.
 */

import { request } from "./access.js";
import { createEventStreamParser } from "./event_stream.js";
import { foreignError, HeadwaterError, networkError } from "./errors.js";
import { urlLengthMax } from "./limits.js";

/** @typedef {(data: string, id: string) => void} OnMessage May still be called after `close`. */

/**
 * @typedef {object} SourceHandlers
 * @property {OnMessage} onMessage
 * @property {(error: HeadwaterError) => void} onFailure At most once, and last.
 */

/** @typedef {{ close: () => void }} Source */

/** @typedef {{ id: string, function: string, args: object, from?: string | null }} QueryRequest */

/** @typedef {(queries: QueryRequest[], handlers: SourceHandlers) => Source} OpenSource */

/** @import { Access } from "./access.js" */

const eventSourceClosed = 2;

/**
 * @param {Access} access
 * @param {string} clientId
 * @returns {OpenSource}
 */
export function createOpenSource(access, clientId) {
  return (queries, { onMessage, onFailure }) => {
    const ending = new AbortController();
    const { signal } = ending;
    /** @param {unknown} [error] */
    const fail = (error) => {
      if (signal.aborted) return;
      ending.abort(); // and with it whatever is still open
      onFailure(error instanceof HeadwaterError ? error : networkError(error));
    };
    read(access, { queries, client: clientId }, onMessage, signal).then(fail, fail);
    return { close: () => ending.abort() };
  };
}

/**
 * Read to the end, which is a failure.
 *
 * An EventSource does not tell why it was refused. The same request by `fetch` does, with a ticket
 * of its own, as one may be good for one use; or it succeeds, and is read.
 * @param {Access} access
 * @param {{ queries: QueryRequest[], client: string }} asked
 * @param {OnMessage} onMessage
 * @param {AbortSignal} signal
 * @returns {Promise<void>}
 */
async function read(access, asked, onMessage, signal) {
  const ticket = await access.ticket?.();
  const search = new URLSearchParams(ticket ? { ticket } : {});
  const endpoint = `${access.url}/api/sync?`;
  const short = endpoint + search;
  search.set("queries", JSON.stringify(asked.queries));
  search.set("client", asked.client);
  const url = endpoint + search;
  if (signal.aborted) return;
  if (access.EventSource && !access.headers && url.length <= urlLengthMax) {
    const refused = await readEventSource(access, access.EventSource, url, onMessage, signal);
    if (refused) await read({ ...access, EventSource: undefined }, asked, onMessage, signal);
    return;
  }
  const accept = { Accept: "text/event-stream" };
  const response = await request(access, short, signal, JSON.stringify(asked), accept);
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  if (!isStream) throw foreignError(response.status);
  const parse = createEventStreamParser(onMessage);
  const text = /** @type {ReadableStream<Uint8Array>} */ (response.body).pipeThrough(
    /** @type {any} */ (new TextDecoderStream()),
  );
  const reader = text.getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    parse(/** @type {any} */ (piece.value));
  }
}

/**
 * @param {Access} access
 * @param {typeof globalThis.EventSource} EventSource
 * @param {string} url
 * @param {OnMessage} onMessage
 * @param {AbortSignal} signal
 * @returns {Promise<boolean>} At its end: whether it was refused.
 */
function readEventSource({ credentials }, EventSource, url, onMessage, signal) {
  const events = new EventSource(url, { withCredentials: credentials === "include" });
  signal.addEventListener("abort", () => events.close());
  events.onmessage = (event) => onMessage(event.data, event.lastEventId);
  return new Promise((resolve) => {
    events.onerror = () => {
      resolve(events.readyState === eventSourceClosed);
      events.close();
    };
  });
}
