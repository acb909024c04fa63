// Feathers 5: REST for writing, Socket.IO to follow; events come from the method that wrote.
import { feathers } from "@feathersjs/feathers";
import { bodyParser, errorHandler, koa, rest } from "@feathersjs/koa";
import { MongoDBService } from "@feathersjs/mongodb";
import socketio from "@feathersjs/socketio";
import { MongoClient } from "mongodb";

const { PORT, MONGODB_URI } = process.env;
const client = await MongoClient.connect(MONGODB_URI);
const notes = client.db().collection("notes");
await notes.createIndex({ room: 1 });

const app = koa(feathers());
app.use(errorHandler());
app.use(bodyParser({ jsonLimit: "10mb" }));
app.configure(rest());
app.configure(socketio({ transports: ["websocket"], serveClient: false }));

class Notes extends MongoDBService {}
const methods = ["find", "get", "create", "patch", "remove"];
app.use("notes", new Notes({ Model: Promise.resolve(notes), disableObjectify: true }), { methods });

const join = (context) => {
  const { connection, query } = context.params;
  if (connection) app.channel(`room/${query.room}`).join(connection);
};
app.service("notes").hooks({ after: { find: [join] } });
app.service("notes").publish((note) => app.channel(`room/${note.room}`));

const server = await app.listen({ port: Number(PORT), host: "127.0.0.1", backlog: 2048 });
server.keepAliveTimeout = 120_000;
console.log("READY");
