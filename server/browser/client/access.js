// @ts-check
/** How the server is reached, and what tells it who asks. */

import { errorFromResponse, HeadwaterError } from "./errors.js";

/**
 * @typedef {object} Access
 * @property {string} url The server's address, or "" for the page's own origin.
 * @property {typeof globalThis.fetch} fetch
 * @property {typeof globalThis.EventSource | undefined} EventSource
 * @property {RequestCredentials | undefined} credentials
 * @property {(() => HeadersInit | Promise<HeadersInit>) | undefined} headers
 * @property {(() => string | Promise<string>) | undefined} ticket
 */

/**
 * The platform's `fetch`, as it is by then.
 * @type {typeof globalThis.fetch}
 * @throws {HeadwaterError} There is no page whose origin a path could be of.
 */
export const platformFetch = async (url, init) => {
  if (/** @type {string} */ (url)[0] === "/" && !globalThis.location) {
    const message = "Outside a page, createClient needs a url.";
    throw new HeadwaterError(message, { code: "no_url", retry: "never" });
  }
  return globalThis.fetch(url, init);
};

/**
 * Post `body`.
 * @param {Access} access
 * @param {string} url
 * @param {AbortSignal} signal
 * @param {string} body JSON.
 * @param {Record<string, string>} [more] Headers.
 * @param {boolean} [keepalive] Whether it outlives the page.
 * @returns {Promise<Response>} One that is ok.
 * @throws {import("./errors.js").HeadwaterError} What the server said; or what `fetch` throws.
 */
export async function request({ fetch, credentials, headers }, url, signal, body, more, keepalive) {
  const own = Object.fromEntries(new Headers(await headers?.()));
  const response = await fetch(url, {
    method: "POST",
    headers: { ...own, "Content-Type": "application/json", ...more },
    body,
    cache: "no-store",
    signal,
    keepalive,
    ...(credentials && { credentials }),
  });
  if (!response.ok) throw await errorFromResponse(response);
  return response;
}
