// @ts-check
/**
 * Patches: from one JSON value to the next, sharing what did not change.
 *
 * Values are never modified. What a patch does not touch is the same object before and after, so
 * `===` tells a reader what to look at again. A patch that does not fit throws and has no effect:
 * the value it was made for is not the one that is held.
 *
 * Source: RFC 6902 (JSON Patch) and RFC 6901 (JSON Pointer), of which the protocol uses `add`,
 * `remove`, `replace` and `move`, and our own `{"op": "append", "path", "value"}`, which extends the
 * string at `path`.
 */

import { pointerKeysMax } from "./limits.js";

/** @typedef {{ [key: string]: Json }} JsonObject */

/** @typedef {Json[]} JsonList */

/** @typedef {null | boolean | number | string | JsonObject | JsonList} Json */

/** @typedef {JsonObject | JsonList} Container */

/** A patch that is malformed, or that does not fit the value. */
export class PatchError extends Error {
  /**
   * @param {string} message
   * @param {{ op?: unknown, path?: unknown }} [operation]
   */
  constructor(message, { op, path } = {}) {
    super(`${message}: ${short(op)} ${short(path)}`);
    this.name = "PatchError";
  }
}

/**
 * What is wrong may also be very long, or too deep to be written down.
 * @param {unknown} part
 */
function short(part) {
  return typeof part === "string" ? part.slice(0, 100) : typeof part;
}

/**
 * Apply operations in order.
 * @param {Json} value
 * @param {unknown} operations
 * @returns {Json} The next value; `value` itself when nothing changed.
 * @throws {PatchError} When one operation is malformed or does not fit.
 */
export function applyPatch(value, operations) {
  if (!Array.isArray(operations)) throw new PatchError("A patch is a list");
  return operations.reduce(applyOperation, value);
}

/**
 * @param {Json} root
 * @param {unknown} operation
 * @returns {Json}
 */
function applyOperation(root, operation) {
  if (typeof operation !== "object" || operation === null || Array.isArray(operation)) {
    throw new PatchError("An operation is an object");
  }
  const { op, path, from, value } = /** @type {Record<string, any>} */ (operation);
  /** @type {(message: string) => never} */
  const fail = (message) => {
    throw new PatchError(message, operation);
  };
  const keys = parsePointer(path, fail);
  const needsValue = op === "add" || op === "replace" || op === "append";
  if (needsValue && value === undefined) fail("The value is missing");

  switch (op) {
    case "add":
      return add(root, keys, value, fail);
    case "remove":
      return remove(root, keys, fail);
    case "replace":
      return change(root, keys, () => value, fail);
    case "append":
      return change(root, keys, (text) => appendText(text, value, fail), fail);
    case "move": {
      const source = parsePointer(from, fail);
      const moved = read(root, source, fail);
      if (path === from) return root;
      if (path.startsWith(`${from}/`)) fail("A value cannot move into itself");
      return add(remove(root, source, fail), keys, moved, fail);
    }
    default:
      return fail("The operation is unknown");
  }
}

/**
 * @param {unknown} pointer
 * @param {(message: string) => never} fail
 * @returns {string[]}
 */
function parsePointer(pointer, fail) {
  if (typeof pointer !== "string") return fail("A pointer is a string");
  if (pointer === "") return [];
  if (pointer[0] !== "/") fail("A pointer begins with a slash");
  if (/~(?![01])/.test(pointer)) fail("A pointer escapes only ~0 and ~1");
  const keys = pointer.slice(1).split("/", pointerKeysMax + 1);
  if (keys.length > pointerKeysMax) fail("A pointer is not that deep");
  return keys.map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/**
 * Rebuild the containers on the way to the one that holds the last key, and no others.
 * @param {Json} node
 * @param {string[]} keys At least one.
 * @param {number} depth
 * @param {(container: Container, key: string) => Container} edit Returns the container's next state.
 * @param {(message: string) => never} fail
 * @returns {Json}
 */
function rebuild(node, keys, depth, edit, fail) {
  if (typeof node !== "object" || node === null) return fail("The path leads through no container");
  const key = /** @type {string} */ (keys[depth]);
  if (depth === keys.length - 1) return edit(node, key);
  const child = readKey(node, key, fail);
  const next = rebuild(child, keys, depth + 1, edit, fail);
  return next === child ? node : withKey(node, key, next);
}

/**
 * @param {Json} root
 * @param {string[]} keys
 * @param {(current: Json) => Json} next
 * @param {(message: string) => never} fail
 */
function change(root, keys, next, fail) {
  if (keys.length === 0) return next(root);
  /** @type {(container: Container, key: string) => Container} */
  const edit = (container, key) => {
    const current = readKey(container, key, fail);
    const value = next(current);
    return value === current ? container : withKey(container, key, value);
  };
  return rebuild(root, keys, 0, edit, fail);
}

/**
 * @param {Json} root
 * @param {string[]} keys
 * @param {Json} value
 * @param {(message: string) => never} fail
 */
function add(root, keys, value, fail) {
  if (keys.length === 0) return value;
  /** @type {(container: Container, key: string) => Container} */
  const edit = (container, key) => {
    if (!Array.isArray(container)) return withKey(container, key, value);
    const index = key === "-" ? container.length : parseIndex(key, container.length, fail);
    return [...container.slice(0, index), value, ...container.slice(index)];
  };
  return rebuild(root, keys, 0, edit, fail);
}

/**
 * @param {Json} root
 * @param {string[]} keys
 * @param {(message: string) => never} fail
 */
function remove(root, keys, fail) {
  if (keys.length === 0) return fail("The whole value cannot be removed");
  /** @type {(container: Container, key: string) => Container} */
  const edit = (container, key) => {
    readKey(container, key, fail);
    if (Array.isArray(container)) return container.filter((_, index) => index !== Number(key));
    const { [key]: _, ...rest } = container;
    return rest;
  };
  return rebuild(root, keys, 0, edit, fail);
}

/**
 * @param {Json} root
 * @param {string[]} keys
 * @param {(message: string) => never} fail
 * @returns {Json}
 */
function read(root, keys, fail) {
  let node = root;
  for (const key of keys) {
    if (typeof node !== "object" || node === null)
      return fail("The path leads through no container");
    node = readKey(node, key, fail);
  }
  return node;
}

/**
 * @param {Container} container
 * @param {string} key
 * @param {(message: string) => never} fail
 * @returns {Json}
 */
function readKey(container, key, fail) {
  if (Array.isArray(container)) {
    return /** @type {Json} */ (container[parseIndex(key, container.length - 1, fail)]);
  }
  if (!Object.hasOwn(container, key)) return fail("The path leads nowhere");
  return /** @type {Json} */ (container[key]);
}

/**
 * A computed key defines an own property, whatever its name: `__proto__` is data like any other.
 * @param {Container} container
 * @param {string} key
 * @param {Json} value
 * @returns {Container}
 */
function withKey(container, key, value) {
  if (!Array.isArray(container)) return { ...container, [key]: value };
  const next = container.slice();
  next[Number(key)] = value;
  return next;
}

/**
 * @param {string} key
 * @param {number} indexMax
 * @param {(message: string) => never} fail
 */
function parseIndex(key, indexMax, fail) {
  if (!/^(0|[1-9]\d*)$/.test(key)) fail("An index is a plain number");
  const index = Number(key);
  if (index > indexMax) fail("The index lies outside the list");
  return index;
}

/**
 * @param {Json} text
 * @param {unknown} delta
 * @param {(message: string) => never} fail
 */
function appendText(text, delta, fail) {
  if (typeof text !== "string" || typeof delta !== "string")
    return fail("Only text can be appended");
  return text + delta;
}
