// Follow a query of a real server by the installed package, in a Node without a page.
import { createClient } from "headwater";

const [url, topic] = process.argv.slice(2);
const client = createClient({ url });
const seen = [];
const whole = new Promise((resolve) => {
  client.subscribe("board.notes", { topic }, (notes) => {
    seen.push(notes.map((note) => note.text));
    if (notes.length === 2) resolve();
  });
});
await client.mutation("board.add", { topic, text: "one" });
await client.mutation("board.add", { topic, text: "two" });
await whole;
const asked = (await client.query("board.notes", { topic })).map((note) => note.text);
client.close();
console.log(JSON.stringify({ asked, last: seen.at(-1) }));
