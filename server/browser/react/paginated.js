// @ts-check
/** A list page by page, as a hook. */

import { useMemo, useSyncExternalStore } from "./react.js";
import { createPages } from "./pages.js";
import { useHeadwater } from "./provider.js";

/** @import { ArgsOf, OfKind, ResultOf } from "../client.js" */
/** @import { Paginated } from "./pages.js" */

/**
 * @template R
 * @typedef {R extends { page: readonly (infer D)[] } ? D : any} PageItemOf
 */

/**
 * Follow a query that returns `ctx.page(…)` and takes `size`, `after` and `until` for it.
 *
 * Each page is `initialNumItems` or what `loadMore` said long when it is read, and grows and shrinks
 * from then on. An error whose `retry` is "never" goes to the error boundary. Other arguments begin
 * anew.
 * @template {string} F
 * @param {OfKind<F, "query">} functionName
 * @param {Omit<ArgsOf<F>, "size" | "after" | "until"> | "skip"} args
 * @param {{ initialNumItems: number }} options
 * @returns {Paginated<PageItemOf<ResultOf<F>>>}
 */
export function usePaginatedQuery(functionName, args, { initialNumItems }) {
  const client = useHeadwater();
  const key = client.live(functionName, /** @type {any} */ (args)).key;
  const pages = useMemo(
    () => createPages(client, functionName, args, initialNumItems),
    [client, key, initialNumItems],
  );
  return useSyncExternalStore(pages.subscribe, pages.read, pages.readFirst);
}
