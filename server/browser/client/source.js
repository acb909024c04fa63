// @ts-check
/**
 * Where a sync stream's messages come from: an EventSource, or `fetch` where that cannot be.
 *
 * A source opens once and fails once. It never reconnects by itself, as an EventSource would:
 * the positions to continue from change with every message, and so does the URL.
 */

import { createEventStreamParser } from "./event_stream.js";
import { errorFromResponse, foreignError, HeadwaterError, networkError } from "./errors.js";
import { urlLengthMax } from "./limits.js";

/**
 * @typedef {object} SourceHandlers
 * @property {(data: string, id: string) => void} onMessage
 * @property {(error: HeadwaterError) => void} onFailure At most once, and last.
 */

/** @typedef {{ close: () => void }} Source */

/** @typedef {{ id: string, function: string, args: object, from?: string }} QueryRequest */

/** @typedef {(queries: QueryRequest[], handlers: SourceHandlers) => Source} OpenSource */

/**
 * How the server is reached, and what tells it who asks.
 * @typedef {object} Access
 * @property {string} url The server's address, or "" for the page's own origin.
 * @property {typeof globalThis.fetch} fetch
 * @property {typeof globalThis.EventSource | undefined} EventSource
 * @property {RequestCredentials | undefined} credentials
 * @property {(() => HeadersInit | Promise<HeadersInit>) | undefined} headers
 * @property {(() => string | Promise<string>) | undefined} ticket
 */

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
      const lost = () => networkError("The connection to the server was lost.", error);
      onFailure(error instanceof HeadwaterError ? error : lost());
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
  const endpoint = `${access.url}/api/sync`;
  const given = access.ticket && (await access.ticket());
  const search = new URLSearchParams(given ? { ticket: given } : {});
  const short = `${endpoint}?${search}`;
  search.set("queries", JSON.stringify(asked.queries));
  search.set("client", asked.client);
  const url = `${endpoint}?${search}`;
  if (signal.aborted) return;
  if (access.EventSource && !access.headers && url.length <= urlLengthMax) {
    return readEventSource(access, access.EventSource, url, handlers, signal);
  }
  const response = await open(access, given ? short : endpoint, signal, JSON.stringify(asked));
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
  const lost = () => onFailure(networkError("The connection to the server was lost."));
  events.onmessage = (event) => onMessage(event.data, event.lastEventId);
  events.onerror = () => {
    const refused = events.readyState === eventSourceClosed;
    events.close();
    if (refused) open(access, url, signal).then(lost, onFailure);
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
 * @param {string} [body] Makes it a POST.
 */
async function open({ fetch, credentials, headers }, url, signal, body) {
  const response = await fetch(url, {
    method: body === undefined ? "GET" : "POST",
    headers: {
      ...Object.fromEntries(new Headers(await headers?.())),
      ...(body !== undefined && { "Content-Type": "application/json" }),
      Accept: "text/event-stream",
    },
    ...(body !== undefined && { body }),
    ...(credentials && { credentials }),
    cache: "no-store",
    signal,
  });
  if (!response.ok) throw await errorFromResponse(response);
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
  throw networkError("The server ended the stream.");
}
