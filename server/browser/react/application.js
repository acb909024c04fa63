// @ts-check
/**
 * The application's queries, each as a hook that gives the value itself.
 *
 * Without an id nothing is opened. Lists are empty while they load, and a list that did not change
 * is the same. An error whose `retry` is "never" goes to the error boundary.
 */

import { none } from "./lists.js";
import { useValue } from "./query.js";

/** @import { Activity, ChatMessage, FileChange, Person, Task } from "../client/documents.js" */
/** @import { TerminalSegment, ToolCall, ToolLog, WorkspaceHealth } from "../client/documents.js" */

/** @typedef {string | null | undefined} Id */

/**
 * @template T
 * @typedef {(id: Id, more?: number) => readonly T[]} List
 */

/**
 * @template T
 * @typedef {(id: Id) => T} One
 */

/**
 * @param {string} functionName
 * @param {string} [idName]
 * @param {string} [moreName]
 * @returns {(id: Id, more?: number) => any}
 */
const one = (functionName, idName = "taskId", moreName = "limit") => {
  return (id, more) => useValue(functionName, id ? { [idName]: id, [moreName]: more } : "skip");
};

/** @type {(...names: Parameters<typeof one>) => (id: Id, more?: number) => readonly any[]} */
const list = (...names) => {
  const useOne = one(...names);
  return (id, more) => useOne(id, more) ?? none;
};

/**
 * Who is in a task: `(taskId, timeoutMs?)`.
 * @type {List<Person>}
 */
export const useActiveUsers = list("presence.getActiveUsers", "taskId", "timeoutMs");

/**
 * What people did, newest first: `(taskId, limit?)`.
 * @type {List<Activity>}
 */
export const useRecentActivities = list("presence.getRecentActivities");

/**
 * A message that may be growing: `(messageId)`; undefined while it loads, null where there is none.
 * @type {One<ChatMessage | null | undefined>}
 */
export const useStreamingMessage = one("messages.get", "messageId");

/**
 * The tool calls of a message, oldest first: `(messageId)`.
 * @type {One<readonly ToolCall[]>}
 */
export const useStreamingToolCalls = list("toolCallTracking.byMessage", "messageId");

/**
 * A task: `(taskId)`; undefined while it loads, null where there is none.
 * @type {One<Task | null | undefined>}
 */
export const useTask = one("tasks.get");

/**
 * A task's messages, oldest first: `(taskId, limit?)`. They render with each delta; use `useIds` and
 * `useItem` where each message renders for itself.
 * @type {List<ChatMessage>}
 */
export const useMessages = list("messages.byTask");

/**
 * The changes of a task's files: `(taskId, limit?)`.
 * @type {List<FileChange>}
 */
export const useFileChanges = list("fileChanges.byTask");

/**
 * What tools of a task did: `(taskId, limit?)`.
 * @type {List<ToolLog>}
 */
export const useToolLogs = list("toolLogs.byTask");

/**
 * A task's terminal, in segments: `(taskId, limit?)`.
 * @type {List<TerminalSegment>}
 */
export const useTerminal = list("terminalOutput.byTask");

/**
 * How a task's workspace is: `(taskId)`; undefined while it loads.
 * @type {One<WorkspaceHealth | undefined>}
 */
export const useWorkspace = one("tasks.getWorkspaceStatus");

/**
 * A task and all that happens in its workspace.
 * @param {Id} taskId
 */
export function useTaskMonitor(taskId) {
  return {
    task: useTask(taskId),
    workspace: useWorkspace(taskId),
    fileChanges: useFileChanges(taskId),
    toolLogs: useToolLogs(taskId),
    terminal: useTerminal(taskId),
  };
}
