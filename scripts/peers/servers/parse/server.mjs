// Parse Server with LiveQuery, which its own hooks feed: REST for writing, a WebSocket to follow.
import http from "node:http";
import express from "express";

process.chdir(import.meta.dirname); // it makes a folder for its logs when it is imported
const { ParseServer } = await import("parse-server");

const { PORT, MONGODB_URI } = process.env;
const serverURL = `http://127.0.0.1:${PORT}/parse`;
const keys = { appId: "peers", masterKey: "bench" };
const parse = new ParseServer({
  ...keys,
  maintenanceKey: "maintenance",
  masterKeyIps: ["127.0.0.1"],
  databaseURI: MONGODB_URI,
  serverURL,
  liveQuery: { classNames: ["Note"] },
  allowClientClassCreation: true,
  silent: true,
});
await parse.start();
const app = express();
app.use("/parse", parse.app);
const server = http.createServer(app);
server.keepAliveTimeout = 120_000;
const where = { port: Number(PORT), host: "127.0.0.1", backlog: 2048 };
await new Promise((listening) => server.listen(where, listening));
await ParseServer.createLiveQueryServer(server, { ...keys, serverURL });
console.log("READY");
