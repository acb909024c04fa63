// @ts-check
/**
 * The errors that a caller or a subscriber meets.
 *
 *     Error
 *     └── HeadwaterError   code, status, retry: what the server said, or why it could not be asked
 *           code "network"     no answer came (status 0, retry "after")
 *           code "bad_answer"  something other than Headwater answered, a proxy as a rule
 *           code "no_url"      a client outside a page was not told where the server is
 */

import { retryAfterMsMax } from "./limits.js";

/**
 * What to do next: never ask again, ask after a while, or drop the position and start anew.
 * @typedef {"never" | "after" | "resync"} Retry
 */

/** A refusal by the server, or the reason why it could not be reached. */
export class HeadwaterError extends Error {
  /**
   * @param {string} message What happened, and the cure, in sentences.
   * @param {object} facts
   * @param {string} facts.code Stable, for programs; PROTOCOL.md lists them.
   * @param {Retry} facts.retry
   * @param {number} [facts.status] The HTTP status; 0 when no answer came, or inside a stream.
   * @param {number | null} [facts.retryAfterMs]
   * @param {unknown} [facts.details] For a program, e.g. the list of invalid arguments.
   * @param {unknown} [facts.cause]
   */
  constructor(message, { code, retry, status = 0, retryAfterMs = null, details = null, cause }) {
    super(message, { cause });
    this.name = "HeadwaterError";
    this.code = code;
    this.retry = retry;
    this.status = status;
    this.retryAfterMs = retryAfterMs;
    this.details = details;
  }
}

/**
 * Read the one shape that errors have on the wire: `{code, message, retry, retryAfterMs?, details?}`.
 * @param {unknown} body
 * @param {number} [status]
 * @returns {HeadwaterError}
 */
export function errorFromBody(body, status = 0) {
  const { code, message, retry, retryAfterMs, details } = /** @type {any} */ (Object(body));
  const known = ["never", "after", "resync"].includes(retry);
  if (typeof code !== "string" || typeof message !== "string" || !known) {
    return foreignError(status);
  }
  return new HeadwaterError(message, {
    code,
    retry,
    status,
    retryAfterMs: retryAfterMs >= 0 ? Math.min(retryAfterMs, retryAfterMsMax) : null,
    details,
  });
}

/**
 * Read the error in a response that is not ok.
 * @param {Response} response
 * @returns {Promise<HeadwaterError>}
 */
export async function errorFromResponse(response) {
  const body = await response.json().catch(() => null);
  return errorFromBody(body?.error, response.status);
}

/**
 * No answer came, or not all of it.
 * @param {unknown} [cause]
 * @returns {HeadwaterError}
 */
export function networkError(cause) {
  const message = "The connection to the server was lost.";
  return new HeadwaterError(message, { code: "network", retry: "after", cause });
}

/**
 * A proxy that answers for an absent server has no say in whether we may ask again.
 * @param {number} status
 */
export function foreignError(status) {
  const message = `An answer of status ${status} came, not from Headwater.`;
  return new HeadwaterError(message, { code: "bad_answer", retry: "after", status });
}
