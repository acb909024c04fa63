// @ts-check
/**
 * Where a sync stream's messages come from: an EventSource, or `fetch` when the URL is too long.
 *
 * A source opens once and fails once. It never reconnects by itself, as an EventSource would:
 * the positions to continue from change with every message, and so does the URL.
 */

import { createEventStreamParser } from "./event_stream.js";
import { errorFromResponse, networkError } from "./errors.js";
import { urlLengthMax } from "./limits.js";

/**
 * @typedef {object} SourceHandlers
 * @property {(data: string, id: string) => void} onMessage
 * @property {(error: import("./errors.js").HeadwaterError) => void} onFailure At most once, and last.
 */

/** @typedef {{ close: () => void }} Source */

/** @typedef {{ id: string, function: string, args: object, from?: string }} QueryRequest */

/** @typedef {(queries: QueryRequest[], handlers: SourceHandlers) => Source} OpenSource */

const eventSourceClosed = 2;

/**
 * @param {object} parts
 * @param {string} parts.url The server's origin, or "" for the page's own.
 * @param {string} parts.clientId
 * @param {typeof fetch} parts.fetch
 * @param {typeof EventSource} parts.EventSource
 * @returns {OpenSource}
 */
export function createOpenSource({ url, clientId, fetch, EventSource }) {
  const endpoint = `${url}/api/sync`;
  return (queries, handlers) => {
    const search = new URLSearchParams({ queries: JSON.stringify(queries), client: clientId });
    const long = `${endpoint}?${search}`;
    return long.length <= urlLengthMax
      ? openEventSource(long, handlers, fetch, EventSource)
      : openFetch(endpoint, { queries, client: clientId }, handlers, fetch);
  };
}

/**
 * @param {string} url
 * @param {SourceHandlers} handlers
 * @param {typeof fetch} fetch
 * @param {typeof EventSource} EventSource
 * @returns {Source}
 */
function openEventSource(url, { onMessage, onFailure }, fetch, EventSource) {
  const events = new EventSource(url);
  const probe = new AbortController();
  events.onmessage = (event) => onMessage(event.data, event.lastEventId);
  events.onerror = async () => {
    const refused = events.readyState === eventSourceClosed;
    events.close();
    events.onerror = null;
    const error = refused
      ? await askWhy(url, fetch, probe.signal)
      : networkError("The connection to the server was lost.");
    if (!probe.signal.aborted) onFailure(error);
  };
  return {
    close() {
      probe.abort();
      events.onmessage = null;
      events.onerror = null;
      events.close();
    },
  };
}

/**
 * An EventSource does not tell why it was refused; the same request by `fetch` does. Should it
 * succeed, the stream that it opened ends when the source is closed.
 * @param {string} url
 * @param {typeof fetch} fetch
 * @param {AbortSignal} signal
 */
async function askWhy(url, fetch, signal) {
  const headers = { Accept: "text/event-stream" };
  try {
    const response = await fetch(url, { headers, cache: "no-store", signal });
    if (!response.ok) return await errorFromResponse(response);
    return networkError("The server refused the stream and has changed its mind.");
  } catch (cause) {
    return networkError("The server cannot be reached.", cause);
  }
}

/**
 * @param {string} url
 * @param {object} body
 * @param {SourceHandlers} handlers
 * @param {typeof fetch} fetch
 * @returns {Source}
 */
function openFetch(url, body, { onMessage, onFailure }, fetch) {
  const reading = new AbortController();
  const parse = createEventStreamParser((data, id) => {
    if (!reading.signal.aborted) onMessage(data, id);
  });

  async function read() {
    const response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "text/event-stream" },
      body: JSON.stringify(body),
      cache: "no-store",
      signal: reading.signal,
    });
    if (!response.ok || !response.body) throw await errorFromResponse(response);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      parse(piece.value);
    }
    throw networkError("The server ended the stream.");
  }

  read().catch((error) => {
    if (reading.signal.aborted) return;
    onFailure(
      "retry" in error ? error : networkError("The connection to the server was lost.", error),
    );
  });
  return { close: () => reading.abort() };
}
