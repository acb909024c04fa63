// @ts-check
/**
 * Makes the client of the server that served this page, under whatever prefix, the default one.
 * Imported before the elements, which ask for it as soon as they are registered.
 */

import { createClient, setDefaultClient } from "../client.js";

const root = new URL("../../", import.meta.url);

export const client = createClient({ url: root.href });

setDefaultClient(client);
