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

/** @typedef {{ id: string, function: string, args: object, from?: string }} QueryRequest */

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
 * @param {Access} access
 * @param {{ queries: QueryRequest[], client: string }} asked
 * @param {OnMessage} onMessage
 * @param {AbortSignal} signal
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
    return readEventSource(access, access.EventSource, url, onMessage, signal);
  }
  const response = await open(access, short, signal, JSON.stringify(asked));
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
 * An EventSource does not tell why it was refused; the same request by `fetch` does. Should it
 * succeed, the stream that it opened ends with the source.
 * @param {Access} access
 * @param {typeof globalThis.EventSource} EventSource
 * @param {string} url
 * @param {OnMessage} onMessage
 * @param {AbortSignal} signal
 */
function readEventSource(access, EventSource, url, onMessage, signal) {
  const events = new EventSource(url, { withCredentials: access.credentials === "include" });
  signal.addEventListener("abort", () => events.close());
  events.onmessage = (event) => onMessage(event.data, event.lastEventId);
  return new Promise((resolve) => {
    events.onerror = () => {
      const refused = events.readyState === eventSourceClosed;
      events.close();
      resolve(refused && open(access, url, signal, null));
    };
  });
}

/**
 * @param {Access} access
 * @param {string} url
 * @param {AbortSignal} signal
 * @param {string | null} body
 */
async function open(access, url, signal, body) {
  const response = await request(access, url, signal, body, { Accept: "text/event-stream" });
  const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
  if (!isStream) throw foreignError(response.status);
  return response;
}
