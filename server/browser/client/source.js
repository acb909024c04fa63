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

/**
 * @typedef {object} SourceHandlers
 * @property {(data: string, id: string) => void} onMessage
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
    /** @param {unknown} error */
    const fail = (error) => {
      if (signal.aborted) return;
      ending.abort(); // and with it whatever is still open
      onFailure(error instanceof HeadwaterError ? error : networkError(error));
    };
    const asked = { queries, client: clientId };
    read(access, asked, { onMessage, onFailure: fail }, signal).catch(fail);
    return { close: () => ending.abort() };
  };
}

/**
 * @param {Access} access
 * @param {{ queries: QueryRequest[], client: string }} asked
 * @param {SourceHandlers} handlers
 * @param {AbortSignal} signal
 */
async function read(access, asked, handlers, signal) {
  const ticket = await access.ticket?.();
  const search = new URLSearchParams(ticket ? { ticket } : {});
  const endpoint = `${access.url}/api/sync?`;
  const short = endpoint + search;
  search.set("queries", JSON.stringify(asked.queries));
  search.set("client", asked.client);
  const url = endpoint + search;
  if (signal.aborted) return;
  if (access.EventSource && !access.headers && url.length <= urlLengthMax) {
    return readEventSource(access, access.EventSource, url, handlers, signal);
  }
  const response = await open(access, short, signal, JSON.stringify(asked));
  await readResponse(response, handlers.onMessage, signal);
}

/**
 * An EventSource does not tell why it was refused; the same request by `fetch` does. Should it
 * succeed, the stream that it opened ends with the source.
 * @param {Access} access
 * @param {typeof globalThis.EventSource} EventSource
 * @param {string} url
 * @param {SourceHandlers} handlers
 * @param {AbortSignal} signal
 */
function readEventSource(access, EventSource, url, { onMessage, onFailure }, signal) {
  const events = new EventSource(url, { withCredentials: access.credentials === "include" });
  const lost = () => onFailure(networkError());
  events.onmessage = (event) => onMessage(event.data, event.lastEventId);
  events.onerror = () => {
    const refused = events.readyState === eventSourceClosed;
    events.close();
    if (refused) open(access, url, signal, null).then(lost, onFailure);
    else lost();
  };
  signal.addEventListener("abort", () => {
    events.onmessage = events.onerror = null;
    events.close();
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

/**
 * @param {Response} response
 * @param {SourceHandlers["onMessage"]} onMessage
 * @param {AbortSignal} signal
 */
async function readResponse(response, onMessage, signal) {
  const parse = createEventStreamParser((data, id) => {
    if (!signal.aborted) onMessage(data, id);
  });
  const text = /** @type {ReadableStream<Uint8Array>} */ (response.body).pipeThrough(
    /** @type {any} */ (new TextDecoderStream()),
  );
  const reader = text.getReader();
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    parse(/** @type {any} */ (piece.value));
  }
  throw networkError();
}
