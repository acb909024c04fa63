// The documents that hooks and functions by name give are those of the generated types. Never run.
import { getToolCallById, streamChat, updatePresence } from "headwater";
import {
  useAction,
  useActiveUsers,
  useChatStreaming,
  useFileChanges,
  useIds,
  useMessages,
  useMutation,
  useQuery,
  useRecentActivities,
  useStreamingMessage,
  useStreamingToolCalls,
  useSuspenseQuery,
  useTask,
  useTaskMonitor,
  useTerminal,
  useToolLogs,
  useWorkspace,
} from "headwater/react";
import { api, type Doc, type Id, type ShownHealth } from "./headwater/api.js";

/** `T`, where it has the fields of `D` and no others. */
type Of<T, D> = [keyof T, keyof D] extends [keyof D, keyof T] ? T : never;
type Element<L extends readonly unknown[]> = L[number];

declare const activity: Of<Element<ReturnType<typeof useRecentActivities>>, Doc<"activities">>;
declare const call: Of<Element<ReturnType<typeof useStreamingToolCalls>>, Doc<"agentTools">>;
declare const change: Of<Element<ReturnType<typeof useFileChanges>>, Doc<"fileChanges">>;
declare const health: Of<NonNullable<ReturnType<typeof useWorkspace>>, ShownHealth>;
declare const log: Of<Element<ReturnType<typeof useToolLogs>>, Doc<"toolLogs">>;
declare const message: Of<Element<ReturnType<typeof useMessages>>, Doc<"chatMessages">>;
declare const person: Of<Element<ReturnType<typeof useActiveUsers>>, Doc<"presence">>;
declare const segment: Of<Element<ReturnType<typeof useTerminal>>, Doc<"terminalOutput">>;
declare const task: Of<NonNullable<ReturnType<typeof useTask>>, Doc<"tasks">>;

export const documents: {
  activity: Doc<"activities">;
  call: Doc<"agentTools">;
  change: Doc<"fileChanges">;
  health: ShownHealth;
  log: Doc<"toolLogs">;
  message: Doc<"chatMessages">;
  person: Doc<"presence">;
  segment: Doc<"terminalOutput">;
  task: Doc<"tasks">;
} = { activity, call, change, health, log, message, person, segment, task };

// `never` would be all of them, and so would `any`.
// @ts-expect-error: a call is no message
export const notMessage: Doc<"chatMessages"> = call;
// @ts-expect-error: a change is no log
export const notLog: Doc<"toolLogs"> = change;
// @ts-expect-error: a person is no activity
export const notActivity: Doc<"activities"> = person;
// @ts-expect-error: a segment is no task
export const notTask: Doc<"tasks"> = segment;
// @ts-expect-error: a message is no segment
export const notSegment: Doc<"terminalOutput"> = message;
// @ts-expect-error: an activity is no person
export const notPerson: Doc<"presence"> = activity;
// @ts-expect-error: a log is no change
export const notChange: Doc<"fileChanges"> = log;
// @ts-expect-error: a task is no call
export const notCall: Doc<"agentTools"> = task;
// @ts-expect-error: health is no task
export const notHealth: Doc<"tasks"> = health;

export async function use(id: string) {
  const rename = useMutation(api.tasks.update);
  const { task, terminal } = useTaskMonitor(id);
  if (task) await rename({ taskId: task._id, title: task.title.trim() });
  const reply = useStreamingMessage(id);
  const said = reply?.parts.map((part) => ("text" in part ? part.text : part.type));
  // @ts-expect-error: there is no such field
  const content = reply?.content;
  const found = await getToolCallById("toolu_1");
  // @ts-expect-error: there may be none
  const { status } = found;
  return { said, content, status, written: terminal[0]?.parts[0]?.text };
}

export function useCalls() {
  // What needs no arguments may be called without.
  const all: Doc<"tasks">[] | undefined = useQuery(api.tasks.list).data;
  const howMany: number | undefined = useQuery(api.tasks.list, {}, { select: (tasks) => tasks.length }).data;
  const none: Doc<"tasks">[] | undefined = useQuery(api.tasks.list, "skip").data;
  const there: Doc<"tasks">[] = useSuspenseQuery(api.tasks.list);
  const byName: unknown = useQuery("tasks.list").data;
  const create = useMutation(api.tasks.create);
  const cancel = useAction(api.streaming.cancelStream);
  const anything = useMutation("notes.clear");
  const reference = useAction("notes.count");
  return async () => {
    await anything();
    await reference();
    // @ts-expect-error: all arguments are missing
    await create();
    // @ts-expect-error: all arguments are missing
    await cancel();
    // @ts-expect-error: a number is no title
    await create({ title: 1 });
    return { all, howMany, none, there, byName };
  };
}

export function useWrongCalls() {
  // @ts-expect-error: all arguments are missing
  useQuery(api.tasks.get);
  // @ts-expect-error: all arguments are missing
  useSuspenseQuery(api.tasks.get);
  // @ts-expect-error: there is no such argument
  useQuery(api.tasks.list, { lmit: 5 });
  // @ts-expect-error: a mutation is no query
  useQuery(api.tasks.create);
}

/** Ids that functions by name and hooks give are those of their tables. */
export async function useReplies(taskId: Id<"tasks">) {
  const begun = await streamChat({ taskId, prompt: "Go on." });
  const row: Id<"presence"> = await updatePresence({ taskId, userId: "ada", userName: "Ada" });
  const { currentMessageId, startStream } = useChatStreaming();
  const again = await startStream({ taskId, prompt: "Again." });
  const messages: readonly Id<"chatMessages">[] = useIds(api.messages.byTask, { taskId });
  const ids: (Id<"chatMessages"> | null)[] = [begun.messageId, begun.userMessageId, currentMessageId, again.messageId];
  // @ts-expect-error: a message's id is no task's
  const wrong: Id<"tasks"> = begun.messageId;
  return { row, messages, ids, wrong };
}
