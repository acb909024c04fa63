// @ts-check
/** Which client the hooks below a provider use. */

import { createContext, createElement, useContext, useSyncExternalStore } from "./react.js";
import { defaultClient } from "./core.js";

/** @import { ReactNode } from "react" */
/** @import { Client, ConnectionState } from "../client.js" */

const Context = createContext(/** @type {Client | undefined} */ (undefined));

/**
 * Gives the hooks below it their client.
 * @param {{ client: Client, children?: ReactNode }} props
 */
export function HeadwaterProvider({ client: value, children }) {
  return createElement(Context.Provider, { value, children });
}

/**
 * The provider's client; without a provider the one for the page's own origin.
 * @returns {Client}
 */
export function useHeadwater() {
  return useContext(Context) ?? defaultClient();
}

/**
 * How the stream fares; "connecting" while a server renders.
 * @returns {ConnectionState}
 */
export function useConnectionState() {
  const { connectionState } = useHeadwater();
  return useSyncExternalStore(
    connectionState.subscribe,
    () => connectionState.value,
    () => "connecting",
  );
}
