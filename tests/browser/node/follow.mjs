// Our client in Node, on a connection that is cut, goes away and leads to another server meanwhile:
// it creates tasks, one after another, and follows them and the messages of one until its reply has
// ended. Told at the end: what it shows, and what it should never have shown.
import { createRequire } from "node:module";
import { createClient } from "../../../server/browser/client.js";

const [way, url, taskId, count, all] = process.argv.slice(2);
const { EventSource } = createRequire(import.meta.url)("eventsource"); // by NODE_PATH
const client = createClient({ url, EventSource: way === "fetch" ? undefined : EventSource });

const shown = { tasks: [], messages: [] };
const faults = [];
const states = new Set();
client.connectionState.subscribe((state) => states.add(state));

const textOf = (message) => message.parts.map(({ text = "" }) => text).join("");
let lengths = new Map();
let end;
const over = new Promise((resolve) => (end = resolve));
const look = () => {
  const replies = shown.messages.filter(({ role }) => role === "assistant");
  const ended = replies.filter(({ status }) => status === "COMPLETED" || status === "INTERRUPTED");
  if (ended.length === 1 && shown.tasks.length === Number(all)) end();
};
client.subscribe("tasks.list", {}, (tasks) => {
  if (tasks.length < shown.tasks.length) faults.push(`${tasks.length} tasks are left`);
  shown.tasks = tasks;
  look();
});
client.subscribe("messages.byTask", { taskId }, (messages) => {
  const longer = new Map(messages.map((message) => [message._id, textOf(message).length]));
  for (const [id, length] of lengths) {
    if (!(longer.get(id) >= length)) faults.push(`${id} has shrunk from ${length}`);
  }
  lengths = longer;
  shown.messages = messages;
  look();
});

for (let number = 0; number < Number(count); number += 1) {
  const title = `${way} ${number}`;
  await client.mutation("tasks.create", { title });
  // After 10 s without a stream a call is resolved all the same.
  const isLive = client.connectionState.value === "live";
  const isShown = shown.tasks.some((task) => task.title === title);
  if (isLive && !isShown) faults.push(`${title} is not shown`);
  await new Promise((resolve) => setTimeout(resolve, 50));
}
await over;
client.close();
console.log(JSON.stringify({ ...shown, faults, states: [...states] }));
