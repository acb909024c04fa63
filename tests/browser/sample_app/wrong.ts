// What must not compile: each line that is marked would be an error. Never run.
import { createClient } from "headwater";
import { api, type Doc, type Id } from "./headwater/api.js";

const client = createClient();
declare const task: Doc<"tasks">;
declare const message: Doc<"chatMessages">;
const taskId = task._id;

// Arguments

// @ts-expect-error: a number is no id
await client.query(api.tasks.get, { taskId: 1 });
// @ts-expect-error: any string is no id
await client.query(api.tasks.get, { taskId: "6b080d" });
// @ts-expect-error: an id of another table
await client.query(api.tasks.get, { taskId: message._id });
// @ts-expect-error: Claude's name for a call is not its document's
await client.mutation(api.toolCallTracking.claim, { id: message.parts[0]!.type, executor: "x" });
// @ts-expect-error: an argument is missing
await client.query(api.tasks.get, {});
// @ts-expect-error: all arguments are missing
await client.query(api.tasks.get);
// @ts-expect-error: all arguments are missing
await client.mutation(api.tasks.create);
// @ts-expect-error: all arguments are missing
client.live(api.tasks.get);
// @ts-expect-error: all arguments are missing
await client.preload(api.tasks.get);
// @ts-expect-error: there is no such argument
await client.query(api.tasks.list, { lmit: 5 });
// @ts-expect-error: it takes none at all
await client.query(api.sampleTools.offers, { limit: 5 });
// @ts-expect-error: there is no such status
await client.mutation(api.tasks.update, { taskId, status: "DONE" });
// @ts-expect-error: a title may not be null where it is created
await client.mutation(api.tasks.create, { title: null });
// @ts-expect-error: only Anthropic's keys are taken
await client.action(api.streaming.streamChat, { taskId, prompt: "x", apiKeys: { openai: "x" } });
// @ts-expect-error: an argument is missing
client.subscribe(api.messages.byTask, {}, () => {});

// Functions

// @ts-expect-error: there is no such function
await client.query(api.tasks.gte, { taskId });
// @ts-expect-error: there is no such module
await client.query(api.task.get, { taskId });
// @ts-expect-error: internal functions are not seen
await client.mutation(api.replies.beginReply, {});
// @ts-expect-error: a mutation is no query
await client.query(api.tasks.create, { title: "x" });
// @ts-expect-error: a query is no mutation
await client.mutation(api.tasks.get, { taskId });
// @ts-expect-error: an action is no mutation
await client.mutation(api.streaming.cancelStream, { messageId: message._id });
// @ts-expect-error: a mutation cannot be followed
client.subscribe(api.tasks.remove, { taskId }, () => {});
// @ts-expect-error: nor so
client.live(api.tasks.remove, { taskId });
// @ts-expect-error: the names cannot be changed
api.tasks.get = api.tasks.list;

// Results

// @ts-expect-error: there may be none
(await client.query(api.tasks.get, { taskId })).title;
// @ts-expect-error: a list has no title
(await client.query(api.tasks.list)).title;
// @ts-expect-error: a date is a number
task.createdAt.getTime();
// @ts-expect-error: it is not shown
task.nextSequence;
// @ts-expect-error: not every part has a text
message.parts[0]!.text;
// @ts-expect-error: an error may be absent
message.error.code;
// @ts-expect-error: tasks are no messages
client.subscribe(api.tasks.list, {}, (found: Doc<"chatMessages">[]) => void found);
// @ts-expect-error: what an optimistic update sets is the query's value
await client.mutation(api.tasks.remove, { taskId }, { optimistic: (s) => s.set(api.tasks.list, {}, [1]) });
// @ts-expect-error: there is no such table
export type Nothing = Id<"nothings">;
