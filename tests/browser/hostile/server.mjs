// A raw loopback HTTP server that answers as badly as it is told to, and rightly after that.
import { createServer } from "node:net";

/** What the database has: first, and in the end. */
export const FIRST = [{ _id: "a", text: "one" }];
export const LAST = [{ _id: "a", text: "one and two" }];

const FIRST_AT = "10.1~b";
const LAST_AT = "20.1~b";

export const event = (id, data, more = "") =>
  `${more}id: ${id}\ndata: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;

const STREAM = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/** The head of a stream, and a comment, as the server writes them. */
export const stream = (...pieces) => [STREAM, ":\n\n", ...pieces];

/** A whole answer that is no stream. */
export function answer(status, body = "", headers = {}) {
  const length = Buffer.byteLength(body);
  const all = { "Content-Type": "text/html", "Content-Length": length, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return [`HTTP/1.1 ${status} So\r\nConnection: close\r\n${lines.join("")}\r\n${body}`];
}

/** An error in our own form. */
export const refusal = (code, retry, more = {}) =>
  JSON.stringify({ error: { code, message: "No.", retry, ...more } });

/** What a server says first that means well. */
export const good = (id) => event(FIRST_AT, { from: null, queries: { [id]: { snapshot: FIRST } } });

function right({ id, from }) {
  if (from !== FIRST_AT) {
    return stream(event(LAST_AT, { from: null, queries: { [id]: { snapshot: LAST } } }));
  }
  const patch = [{ op: "append", path: "/0/text", value: " and two" }];
  return stream(event(LAST_AT, { from, queries: { [id]: { patch } } }));
}

/**
 * Serves runs, each under a path of its own: `/<name>/api/sync`. A run's `bad(asked)` gives what is
 * written for the first `badCount` requests: texts, bytes, "end", "reset", or promises to wait for.
 * Without "end" or "reset" the connection stays open, and silent. `page(path)` may answer others.
 */
export async function createHostileServer(page = () => undefined) {
  const runs = new Map();
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket)).on("error", () => {});
    let head = "";
    socket.on("data", (bytes) => {
      head += bytes.toString("latin1");
      const request = parse(head);
      if (!request) return;
      head = "";
      respond(socket, request).catch(() => socket.destroy());
    });
  });

  async function respond(socket, { path, search, headers, body }) {
    const whole = page(path);
    if (whole) return socket.end(whole.join(""));
    const name = path.split("/")[1];
    const run = runs.get(name);
    if (!run) return socket.end(answer(404).join(""));
    const queries = JSON.parse(body || search.get("queries") || "[]");
    const query = (queries.queries ?? queries)[0] ?? {};
    const asked = { id: query.id ?? "1", from: query.from, path, origin: headers.host };
    run.asked.push(asked);
    const bad = run.asked.length <= run.badCount;
    for (const step of bad ? run.bad(asked) : right(asked)) {
      if (step === "end") return socket.end();
      if (step === "reset") return socket.resetAndDestroy();
      if (typeof step === "function") await step(socket);
      else await write(socket, step);
    }
  }

  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${server.address().port}`;
  let count = 0;
  return {
    url,
    /** Begin a run; gives the URL for its client, and what was asked so far. */
    run(bad, badCount = 2) {
      const name = String((count += 1));
      const asked = [];
      runs.set(name, { bad, badCount, asked });
      return { url: `${url}/${name}`, asked };
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

function write(socket, piece) {
  if (socket.destroyed) throw new Error("The client has gone.");
  if (socket.write(piece)) return undefined;
  return new Promise((resolve, reject) => {
    const gone = () => reject(new Error("The client has gone."));
    socket.once("close", gone).once("drain", () => resolve(socket.off("close", gone)));
  });
}

function parse(text) {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return null;
  const [first, ...lines] = text.slice(0, end).split("\r\n");
  const headers = Object.fromEntries(
    lines.map((line) => [line.split(":")[0].toLowerCase(), line.replace(/^[^:]*:\s*/, "")]),
  );
  const body = text.slice(end + 4);
  if (body.length < Number(headers["content-length"] ?? 0)) return null;
  const { pathname, searchParams } = new URL(first.split(" ")[1], "http://server");
  return { path: pathname, search: searchParams, headers, body };
}
