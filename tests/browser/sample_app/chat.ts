// A small chat on the client alone. Compiled by `tsc --strict`; never run.
import { createClient, HeadwaterError } from "headwater";
import { api, type Doc, type Id } from "./headwater/api.js";

const client = createClient({ url: "http://127.0.0.1:8000" });

export async function newTask(title: string): Promise<Id<"tasks">> {
  const task = await client.mutation(api.tasks.create, { title });
  return task._id;
}

export function textOf(message: Doc<"chatMessages">): string {
  return message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

export function follow(taskId: Id<"tasks">, show: (lines: string[]) => void): () => void {
  return client.subscribe(api.messages.byTask, { taskId, limit: 20 }, {
    onChange: (messages) => show(messages.map((one) => `${one.role}: ${textOf(one)}`)),
    onError: (error) => show([error.message]),
  });
}

export async function ask(taskId: Id<"tasks">, prompt: string): Promise<() => Promise<boolean>> {
  const { messageId } = await client.action(api.streaming.streamChat, { taskId, prompt });
  return async () => (await client.action(api.streaming.cancelStream, { messageId })).cancelled;
}

export async function rename(taskId: Id<"tasks">, title: string): Promise<void> {
  await client.mutation(api.tasks.update, { taskId, title }, {
    optimistic: (store) => {
      const tasks = store.get(api.tasks.list);
      if (tasks) store.set(api.tasks.list, {}, tasks.map((one) => (one._id === taskId ? { ...one, title } : one)));
    },
  });
}

export async function calls(messageId: Id<"chatMessages">): Promise<void> {
  for (const call of await client.query(api.toolCallTracking.byMessage, { messageId })) {
    const since: Date | null = call.startedAt ? new Date(call.startedAt) : null;
    console.log(call.toolName, call.status, since, call.error?.code);
    if (call.approval === "required")
      await client.mutation(api.toolCallTracking.approve, { toolCallId: call.toolCallId });
    else await client.mutation(api.toolCallTracking.claim, { id: call._id, executor: "sample" });
  }
}

export async function firstTitle(): Promise<string | undefined> {
  const live = client.live(api.tasks.list);
  const shown: Doc<"tasks">[] | undefined = live.result?.value;
  const preloaded = await client.preload(api.tasks.list, { limit: 1 });
  return (shown ?? preloaded.value)[0]?.title;
}

/** An id that comes from elsewhere, such as from the page's address, is said to be one. */
export async function open(id: string): Promise<Doc<"tasks"> | null> {
  try {
    return await client.query(api.tasks.get, { taskId: id as Id<"tasks"> });
  } catch (error) {
    if (error instanceof HeadwaterError && error.retry === "never") return null;
    throw error;
  }
}

/** Without the types a name does too, and its value may be anything. */
export async function byName(name: string): Promise<unknown> {
  return (await client.query(name, { taskId: 1 })) ?? (await client.query("tasks.list"));
}
