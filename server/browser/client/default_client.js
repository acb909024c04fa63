// @ts-check
/** The client of whoever names none: functions by name, hooks without a provider. */

import { createClient } from "./create_client.js";

/** @import { Client } from "./create_client.js" */

/** @type {Client | undefined} */
let known;

/** The one that was set; else one for the page's own origin, made at first use. */
export function defaultClient() {
  known ??= createClient();
  return known;
}

/**
 * Use this one from now on: for a server elsewhere, for who has signed in. Who follows something
 * by the one before goes on with it.
 * @param {Client | undefined} client None: the next use makes one.
 */
export function setDefaultClient(client) {
  known = client;
}
