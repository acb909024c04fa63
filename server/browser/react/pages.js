// @ts-check
/**
 * A list that is read page by page, and kept current in all of them.
 *
 * Pages meet at cursors: each but the last ends where the next begins, so there are neither gaps
 * nor repeats, whatever comes and goes. Another page, or one that is divided because it has grown,
 * makes another layout; the one before is shown, and followed, until all of the new one has come.
 */

import { indexOf, none } from "./lists.js";
import { reuse } from "./reuse.js";
import { createView, valueOf } from "./view.js";

/** @import { Client } from "../client.js" */
/** @import { View } from "./view.js" */

/** @typedef {{ size: number, after?: string | undefined }} Bounds */
/** @typedef {Bounds & View} Page */

/**
 * @template D
 * @typedef {object} Paginated
 * @property {readonly D[]} results Of all pages, in their order.
 * @property {"LoadingFirstPage" | "CanLoadMore" | "LoadingMore" | "Exhausted"} status
 * @property {boolean} isLoading
 * @property {(itemsMax: number) => void} loadMore Ignored while something is loading, or at the end.
 */

/**
 * @param {Client} client
 * @param {string} functionName
 * @param {any} args Of the function, but for those that bound a page; "skip": nothing is opened.
 * @param {number} size Of the first page.
 */
export function createPages(client, functionName, args, size) {
  /** @type {(() => void) | undefined} */
  let onChange;
  /** @type {(() => void)[]} */
  let endings = [];
  /** @type {Page[]} */
  let shown = [];
  /** @type {Page[] | undefined} */
  let next;
  let more = false;
  /** @type {WeakMap<object, any>} What is shown of a row that came. */
  const shownAs = new WeakMap();
  let state = /** @type {Paginated<any>} */ ({ results: none });
  const loading = read();
  if (args !== "skip") shown = layout([{ size }]);

  /**
   * @param {Bounds[]} bounds
   * @returns {Page[]}
   */
  function layout(bounds) {
    return bounds.map(({ size, after }, index) => {
      const until = bounds[index + 1]?.after;
      const bounded = { ...args, size, after, until };
      return { size, after, ...createView(client.live(functionName, bounded)) };
    });
  }

  /** Follow what is laid out; what stays is never left in between. */
  function follow() {
    const before = endings;
    endings = onChange ? shown.concat(next ?? []).map((page) => page.subscribe(advance)) : [];
    for (const end of before) end();
  }

  /** @param {Bounds[]} bounds */
  function change(bounds) {
    next = layout(bounds);
    follow();
    advance();
  }

  function advance() {
    if (next?.every(hasCome)) {
      shown = next;
      next = undefined;
      more = false;
      follow();
    }
    if (!next && shown.some(splitCursorOf)) change(shown.flatMap(divided));
    else onChange?.();
  }

  /** @param {number} itemsMax */
  function loadMore(itemsMax) {
    if (read().status !== "CanLoadMore") return;
    more = true;
    const after = shown.at(-1)?.read().data.continueCursor;
    change([...(next ?? shown), { size: itemsMax, after }]);
  }

  /**
   * Another layout is other queries, whose documents are other objects. Each is compared once.
   * @param {any} item
   */
  function rowOf(item) {
    const row = shownAs.get(item) ?? reuse(item, indexOf(state.results).get(item?._id));
    shownAs.set(Object(item), row);
    return row;
  }

  /** The same object until it differs. */
  function read() {
    const values = shown.map((page) => valueOf(page.read()));
    const last = values.at(-1);
    const loaded = more ? "LoadingMore" : last?.isDone ? "Exhausted" : "CanLoadMore";
    const status = last ? loaded : "LoadingFirstPage";
    const rows = values.flatMap((value) => value?.page.map(rowOf) ?? none);
    const results = reuse(rows, state.results);
    return (state = reuse({ results, status, isLoading: !last || more, loadMore }, state));
  }

  /** @param {() => void} [listener] The one component's, whose list it is; absent: no more. */
  function subscribe(listener) {
    onChange = listener;
    follow();
    return () => void subscribe();
  }

  return { subscribe, read, readFirst: () => loading };
}

/**
 * A value, or an error that stays.
 * @param {Page} page
 */
function hasCome(page) {
  const { data, error } = page.read();
  return data || error?.retry === "never";
}

/** @param {Page} page */
const splitCursorOf = (page) => page.read().data?.splitCursor;

/**
 * @param {Page} page
 * @returns {Bounds[]}
 */
function divided(page) {
  const after = splitCursorOf(page);
  return after ? [page, { ...page, after }] : [page];
}
