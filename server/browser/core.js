// @ts-check
/** The client without the application's functions by name. */

export { createClient } from "./client/create_client.js";
export { defaultClient, setDefaultClient } from "./client/default_client.js";
export { HeadwaterError } from "./client/errors.js";
