// RxDB's server on its MongoDB storage: push for writing, pull and pullStream to follow.
import { createRxDatabase } from "rxdb";
import { getRxStorageMongoDB } from "rxdb/plugins/storage-mongodb";
import { RxServerAdapterExpress } from "rxdb-server/plugins/adapter-express";
import { createRxServer } from "rxdb-server/plugins/server";

const { PORT, MONGODB_URI, DATABASE } = process.env;
const database = await createRxDatabase({
  name: DATABASE, // a new one each time: the storage fails on a collection that exists
  storage: getRxStorageMongoDB({ connection: MONGODB_URI }),
  multiInstance: false,
});
const text = { type: "string" };
const schema = {
  version: 0,
  primaryKey: "id",
  type: "object",
  properties: {
    id: { type: "string", maxLength: 40 },
    room: { type: "string", maxLength: 40 },
    mark: text,
    body: text,
    text,
  },
  required: ["id", "room"],
};
await database.addCollections({ notes: { schema } });
const server = await createRxServer({
  database,
  adapter: RxServerAdapterExpress,
  port: Number(PORT),
  hostname: "127.0.0.1",
  authHandler: (headers) => ({ data: { room: headers.authorization }, validUntil: 2 ** 52 }),
});
server.addReplicationEndpoint({
  name: "notes",
  collection: database.notes,
  queryModifier: ({ data }, query) => ({
    ...query,
    selector: { ...query.selector, room: { $eq: data.room } },
  }),
});
await server.start();
console.log("READY");
