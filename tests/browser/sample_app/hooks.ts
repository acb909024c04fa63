// The documents that hooks and functions by name give are those of the generated types. Never run.
import { getToolCallById } from "headwater";
import {
  useActiveUsers,
  useFileChanges,
  useMessages,
  useMutation,
  useRecentActivities,
  useStreamingMessage,
  useStreamingToolCalls,
  useTask,
  useTaskMonitor,
  useTerminal,
  useToolLogs,
  useWorkspace,
} from "headwater/react";
import { api, type Doc, type ShownHealth } from "./headwater/api.js";

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
