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

/** @typedef {{ [key: string]: Json }} JsonObject */

/** @typedef {Json[]} JsonList */

/** @typedef {null | boolean | number | string | JsonObject | JsonList} Json */

/** @typedef {JsonObject | JsonList} Container */

/** A patch that is malformed, or that does not fit the value; the message says which operation. */
export class PatchError extends Error {}

/**
 * Apply operations in order.
 * @param {Json} value
 * @param {unknown} operations
 * @returns {Json} The next value; `value` itself when nothing changed.
 * @throws {PatchError} When one operation is malformed or does not fit.
 */
export function applyPatch(value, operations) {
  if (!Array.isArray(operations)) throw new PatchError("form");
  return operations.reduce((root, operation, index) => {
    try {
      return applyOperation(root, operation);
    } catch {
      throw new PatchError(`operation ${index}`);
    }
  }, value);
}

/**
 * Below, whatever does not fit throws, be it a path too deep for the stack; which operation it was
 * is told by `applyPatch`.
 */
const misfit = () => {
  throw null;
};

/**
 * @param {Json} root
 * @param {any} operation
 * @returns {Json}
 */
function applyOperation(root, { op, path, from, value }) {
  const keys = parsePointer(path);
  if (op === "remove") return edit(root, keys, remove);
  if (op === "move") {
    const source = parsePointer(from);
    const moved = source.reduce(read, root);
    if (path === from) return root;
    if (path.startsWith(`${from}/`)) misfit();
    return edit(edit(root, source, remove), keys, insert(moved));
  }
  if (value === undefined) misfit();
  if (op === "add") return edit(root, keys, insert(value));
  if (op === "replace") return edit(root, keys, change(() => value));
  if (op === "append") return edit(root, keys, change((text) => appendText(text, value)));
  return misfit();
}

/**
 * @param {string} pointer
 * @returns {string[]}
 */
function parsePointer(pointer) {
  if (pointer === "") return [];
  if (pointer[0] !== "/" || /~(?![01])/.test(pointer)) misfit();
  const keys = pointer.slice(1).split("/");
  return keys.map((key) => key.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/**
 * What an operation does to the container of its last key.
 * @callback Edit
 * @param {Container} container
 * @param {string} key
 * @returns {Container} Its next state.
 */

/**
 * Rebuild the containers on the way to the one that holds the last key, and no others. The whole
 * value is edited as the only member of a container.
 * @param {Json} root
 * @param {string[]} keys
 * @param {Edit} edit
 * @returns {Json}
 */
function edit(root, keys, edit) {
  /** @type {(node: Json, depth: number) => Json} */
  const rebuild = (node, depth) => {
    const key = /** @type {string} */ (keys[depth]);
    if (depth === keys.length - 1) return edit(container(node), key);
    const child = read(node, key);
    const next = rebuild(child, depth + 1);
    return next === child ? node : withKey(container(node), key, next);
  };
  if (keys.length > 0) return rebuild(root, 0);
  return /** @type {Json} */ (read(edit({ root }, "root"), "root"));
}

/** @type {Edit} */
function remove(container, key) {
  read(container, key);
  if (Array.isArray(container)) return container.toSpliced(Number(key), 1);
  const { [key]: _, ...rest } = container;
  return rest;
}

/** @type {(value: Json) => Edit} */
const insert = (value) => (container, key) => {
  if (!Array.isArray(container)) return withKey(container, key, value);
  const index = key === "-" ? container.length : parseIndex(key, container.length);
  return container.toSpliced(index, 0, value);
};

/** @type {(next: (current: Json) => Json) => Edit} */
const change = (next) => (container, key) => {
  const current = read(container, key);
  const value = next(current);
  return value === current ? container : withKey(container, key, value);
};

/**
 * @param {Json} text
 * @param {unknown} delta
 */
function appendText(text, delta) {
  return typeof text === "string" && typeof delta === "string" ? text + delta : misfit();
}

/**
 * @param {Json} node
 * @returns {Container}
 */
function container(node) {
  return node === Object(node) ? /** @type {any} */ (node) : misfit();
}

/**
 * @param {Json} node
 * @param {string} key
 * @returns {Json}
 */
function read(node, key) {
  const holder = container(node);
  if (Array.isArray(holder)) return /** @type {Json} */ (holder[parseIndex(key, holder.length - 1)]);
  return Object.hasOwn(holder, key) ? /** @type {Json} */ (holder[key]) : misfit();
}

/**
 * A computed key defines an own property, whatever its name: `__proto__` is data like any other.
 * @param {Container} container
 * @param {string} key
 * @param {Json} value
 * @returns {Container}
 */
function withKey(container, key, value) {
  return Array.isArray(container)
    ? container.with(Number(key), value)
    : { ...container, [key]: value };
}

/**
 * @param {string} key
 * @param {number} indexMax
 */
function parseIndex(key, indexMax) {
  return /^(0|[1-9]\d*)$/.test(key) && Number(key) <= indexMax ? Number(key) : misfit();
}
