// The old side, small but real: a Socket.IO server for the chat, and a loopback stand-in of Convex
// that speaks its sync protocol to Convex's own client. Each function of it asks `moved` whether
// Headwater has it now: then it passes the call on, and shows what the bridge brings.

const { createServer } = require("node:http");
const { readFileSync } = require("node:fs");
const { Server } = require("socket.io");
const { WebSocketServer } = require("ws");

const [folder, bridgeFile, headwaterFile] = process.argv.slice(2);

/** The old database. */
const tables = { chatMessages: [], presence: [], activities: [] };
/** What Headwater has now: any of chat, presence. */
const moved = new Set();
let headwater;
let chat;
let unbridge = () => {};
let created = 0;

const stored = (table, fields) => {
  const document = { _id: `old${++created}`, _creationTime: Date.now(), ...fields };
  tables[table].push(document);
  return document;
};
const ofTask = (table, { taskId }) => tables[table].filter((one) => one.taskId === taskId);
const fresh = (one) => one.lastSeenAt > Date.now() - 60_000;

// --- Convex ----------------------------------------------------------------------------------

const queries = {
  "presence:getActiveUsers": (args) => ofTask("presence", args).filter(fresh),
  "presence:getRecentActivities": (args) =>
    ofTask("activities", args).sort((a, b) => b.timestamp - a.timestamp),
};

const mutations = {
  "presence:updatePresence"(args) {
    if (moved.has("presence")) return void headwater.updatePresence(args);
    const known = ofTask("presence", args).find((one) => one.userId === args.userId);
    const said = { activity: "viewing", ...args, lastSeenAt: Date.now() };
    if (known) Object.assign(known, said);
    else stored("presence", said);
  },
  "presence:broadcastActivity"({ metadata, ...args }) {
    const said = metadata && JSON.parse(metadata);
    if (moved.has("presence")) return void headwater.broadcastActivity({ ...args, metadata: said });
    stored("activities", { ...args, metadata, timestamp: Date.now() });
  },
  // What the bridge calls: the rows of a task as Headwater has them.
  "mirror:replace"({ table, taskId, rows }) {
    tables[table] = tables[table].filter((one) => one.taskId !== taskId).concat(rows);
  },
};

let clock = 0;
const connections = new Set();

/** @param {number} ts A u64, as Convex writes it: base64 of eight bytes, the lowest first. */
function u64(ts) {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(ts));
  return bytes.toString("base64");
}

class Connection {
  /** @type {Map<number, { udfPath: string, args: object[], shown?: string }>} */
  #queries = new Map();
  #version = { querySet: 0, ts: 0, identity: 0 };

  constructor(socket) {
    this.socket = socket;
    socket.on("message", (data) => this.#receive(JSON.parse(data)));
    socket.on("close", () => connections.delete(this));
    connections.add(this);
  }

  /** Every query that shows something else than before, in one transition. */
  transition(change = {}) {
    const end = { ...this.#version, ...change, ts: clock };
    const modifications = [];
    for (const [queryId, query] of this.#queries) {
      const value = queries[query.udfPath](query.args[0]);
      if (query.shown === JSON.stringify(value)) continue;
      query.shown = JSON.stringify(value);
      modifications.push({ type: "QueryUpdated", queryId, value, logLines: [], journal: null });
    }
    const wire = (version) => ({ ...version, ts: u64(version.ts) });
    this.#send({
      type: "Transition",
      startVersion: wire(this.#version),
      endVersion: wire(end),
      modifications,
    });
    this.#version = end;
  }

  #receive(message) {
    switch (message.type) {
      case "Connect":
        break;
      case "Authenticate":
        this.transition({ identity: message.baseVersion + 1 });
        break;
      case "ModifyQuerySet":
        for (const { type, queryId, udfPath, args } of message.modifications) {
          if (type === "Add") this.#queries.set(queryId, { udfPath, args });
          else this.#queries.delete(queryId);
        }
        this.transition({ querySet: message.newVersion });
        break;
      case "Mutation":
        mutated(message.udfPath, message.args[0]);
        this.#send({
          type: "MutationResponse",
          requestId: message.requestId,
          success: true,
          result: null,
          ts: u64(clock),
          logLines: [],
        });
        this.transition();
        break;
      case "Event":
        break; // what the client measures of itself
      default:
        throw new Error(`The stand-in does not know ${message.type}.`);
    }
  }

  #send(message) {
    this.socket.send(JSON.stringify(message));
  }
}

function mutated(path, args) {
  mutations[path](args);
  clock += 1;
  for (const connection of connections) connection.transition();
}

// --- Socket.IO ---------------------------------------------------------------------------------

const http = createServer(async (request, response) => {
  const { pathname, searchParams } = new URL(request.url, "http://here");
  if (pathname === "/move") {
    await move(searchParams.get("url"), searchParams.get("task"), searchParams.getAll("what"));
    return response.end();
  }
  const type = pathname.endsWith(".js") ? "text/javascript" : "text/html";
  try {
    response.setHeader("Content-Type", `${type}; charset=utf-8`);
    response.end(readFileSync(`${folder}/${pathname === "/" ? "page.html" : pathname}`));
  } catch {
    response.writeHead(404).end();
  }
});
const io = new Server(http, { destroyUpgrade: false });
const convex = new WebSocketServer({ noServer: true });
http.on("upgrade", (request, socket, head) => {
  if (!/^\/api\/[\d.]+\/sync$/.test(request.url)) return; // Socket.IO's own
  convex.handleUpgrade(request, socket, head, (accepted) => new Connection(accepted));
});

io.on("connection", (socket) => {
  socket.on("join-task", ({ taskId }, acknowledge) => {
    socket.join(`task:${taskId}`);
    const messages = [...ofTask("chatMessages", { taskId }), ...(chat?.history() ?? [])];
    socket.emit("chat-history", { messages });
    acknowledge({ joined: taskId });
  });
  socket.on("user-message", ({ taskId, message: prompt, clientMessageId }) => {
    if (moved.has("chat")) return headwater.streamChat({ taskId, prompt, clientMessageId });
    const room = io.to(`task:${taskId}`);
    room.emit("message", stored("chatMessages", { taskId, role: "USER", content: prompt }));
    const reply = stored("chatMessages", { taskId, role: "ASSISTANT", content: "" });
    for (const content of ["An answer ", "of the ", "old server."]) {
      reply.content += content;
      room.emit("stream-chunk", { type: "content", messageId: reply._id, content });
    }
    room.emit("stream-complete", { messageId: reply._id });
  });
});

/** From now on these are Headwater's; what is not named is the old server's again. */
async function move(url, task, what) {
  const { bridgeChat, bridgePresence } = await import(bridgeFile);
  headwater = await import(headwaterFile);
  unbridge();
  moved.clear();
  for (const one of what) moved.add(one);
  const client = headwater.createClient({ url });
  headwater.setDefaultClient(client);
  chat = moved.has("chat") ? bridgeChat(client, io, task) : undefined;
  const unmirror = moved.has("presence") ? bridgePresence(client, mutated, task) : undefined;
  unbridge = () => {
    chat?.close();
    unmirror?.();
    client.close();
  };
}

http.listen(0, "127.0.0.1", () => console.log(http.address().port));
process.stdin.resume().on("end", () => process.exit()); // with whoever started it
