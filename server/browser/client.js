// @ts-check
/** Headwater's client, as others import it: `import { createClient } from "headwater"`. */

export { createClient } from "./client/create_client.js";
export { HeadwaterError } from "./client/errors.js";

/** @typedef {import("./client/create_client.js").Client} Client */
/** @typedef {import("./client/create_client.js").ClientOptions} ClientOptions */
/** @typedef {import("./client/sync.js").ConnectionState} ConnectionState */
