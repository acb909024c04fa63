// What a page, or a worker, does with the client: follow a query that it changes itself.
import { createClient } from "headwater";

export function follow(url, topic, tell) {
  const client = createClient({ url });
  client.subscribe("board.notes", { topic }, (notes) => {
    tell(notes.map((note) => note.text).join());
    if (notes.length === 2) client.close();
  });
  client
    .mutation("board.add", { topic, text: "one" })
    .then(() => client.mutation("board.add", { topic, text: "two" }));
}

globalThis.follow = follow;
