// What a strict reader of the protocol makes of one message, written apart from the client.
//
// It copies where the client shares, and reads pointers by hand; both must come to the same.

/** A message that a client must not take: it has to ask for a snapshot. */
export class Refused extends Error {}

const refuse = (why) => {
  throw new Refused(why);
};
const check = (condition, why) => condition || refuse(why);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const clone = (value) => structuredClone(value);

/**
 * @param held `{ position, values }`: by id, `{ value, at? }` or `{ error }`, or what is not held.
 * @param known The ids that were asked for.
 * @returns The next `held`.
 */
export function read(held, known, first, id, data) {
  let message;
  try {
    message = JSON.parse(data);
  } catch {
    refuse("no JSON");
  }
  check(isObject(message) && typeof message.queries === "object", "no transition");
  check(message.queries !== null, "no queries");
  check(/^\d+\.\d+~[^~]{1,40}$/.test(id), "no position");
  const values = clone(held.values);
  if (first) {
    const { from = null } = message;
    const held_ = (entry) => entry && "value" in entry && (entry.at ?? held.position);
    check(
      from === null || Object.values(values).some((entry) => held_(entry) === from),
      "not held",
    );
    if (from === null) for (const entry of Object.values(values)) entry.stale = true;
  }
  for (const [key, entry] of Object.entries(message.queries)) {
    check(known.includes(key), "nobody asked");
    check(isObject(entry), "no entry");
    const said = ["snapshot", "patch", "error"].filter((name) => Object.hasOwn(entry, name));
    check(said.length === 1, "not exactly one");
    const { at = null } = entry;
    check(at === null || typeof at === "string", "no position of a value");
    if (said[0] === "error") values[key] = { error: true };
    else if (said[0] === "snapshot") values[key] = { value: entry.snapshot, at };
    else {
      const before = values[key];
      check(before && "value" in before && !before.stale, "nothing to patch");
      values[key] = { value: patched(before.value, entry.patch), at };
    }
  }
  if (!id.endsWith("-")) {
    const others = Object.entries(values).filter(([key]) => !Object.hasOwn(message.queries, key));
    for (const [, entry] of others) if (!entry.stale) entry.at = null;
  }
  return { position: id, values };
}

function patched(value, operations) {
  check(Array.isArray(operations), "no patch");
  const root = { "": clone(value) };
  for (const operation of operations) {
    check(isObject(operation), "no operation");
    const { op, path, from } = operation;
    const added = () => {
      check(Object.hasOwn(operation, "value"), "no value");
      return clone(operation.value);
    };
    if (op === "add") insert(root, path, added());
    else if (op === "remove") take(root, path);
    else if (op === "replace") put(root, path, () => added());
    else if (op === "move") {
      check(typeof path === "string" && typeof from === "string", "no pointer");
      check(path === from || !`${path}/`.startsWith(`${from}/`), "into itself");
      const [parent, key] = find(root, from);
      check(has(parent, key), "nothing to move");
      keysOf(path);
      if (path !== from) insert(root, path, take(root, from));
    } else if (op === "append") {
      put(root, path, (text) => {
        check(typeof text === "string" && typeof added() === "string", "no text");
        return text + added();
      });
    } else refuse("no such operation");
  }
  return root[""];
}

function keysOf(path) {
  check(typeof path === "string" && (path === "" || path[0] === "/"), "no pointer");
  return path
    .split("/")
    .slice(1)
    .map((key) => {
      for (let i = 0; i < key.length; i += 1) {
        if (key[i] === "~") check(key[i + 1] === "0" || key[i + 1] === "1", "a bad escape");
      }
      return key.replaceAll("~1", "/").replaceAll("~0", "~");
    });
}

function has(parent, key) {
  if (!Array.isArray(parent)) return Object.hasOwn(parent, key);
  return String(Number(key)) === key && /^\d/.test(key) && Number(key) < parent.length;
}

/** The container that holds what a pointer leads to, and the key there. */
function find(root, path) {
  const keys = ["", ...keysOf(path)];
  let parent = root;
  for (const key of keys.slice(0, -1)) {
    check(has(parent, key), "a path to nowhere");
    parent = parent[key];
    check(typeof parent === "object" && parent !== null, "a path through no container");
  }
  return [parent, keys.at(-1)];
}

function set(parent, key, value) {
  Object.defineProperty(parent, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

function put(root, path, next) {
  const [parent, key] = find(root, path);
  check(has(parent, key), "nothing to replace");
  set(parent, key, next(parent[key]));
}

function take(root, path) {
  check(path !== "", "the whole cannot be removed");
  const [parent, key] = find(root, path);
  check(has(parent, key), "nothing to remove");
  const taken = parent[key];
  if (Array.isArray(parent)) parent.splice(Number(key), 1);
  else delete parent[key];
  return taken;
}

function insert(root, path, value) {
  const [parent, key] = find(root, path);
  if (!Array.isArray(parent)) return set(parent, key, value);
  const index = key === "-" ? String(parent.length) : key;
  check(has([...parent, 0], index), "no such place");
  parent.splice(Number(index), 0, value);
}
