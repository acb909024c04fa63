// @ts-check
/**
 * The documents of the built-in application, as the server sends them. Times are milliseconds.
 *
 * They say the same as what `headwater codegen` writes, so that a document of a hook is one of
 * `api`'s too, and its id is.
 */

/**
 * The `_id` of a document of one table: a string.
 * @template {string} T
 * @typedef {string & { readonly __table: T }} Id
 */

/**
 * What every document has.
 * @template {string} T
 * @typedef {object} Stored
 * @property {Id<T>} _id
 * @property {number} createdAt
 * @property {number} updatedAt
 */

/**
 * What every document of a task has.
 * @template {string} T
 * @typedef {Stored<T> & { taskId: Id<"tasks"> }} OfTask
 */

/**
 * @typedef {object} TaskFields
 * @property {string} title
 * @property {string | null} [description]
 * @property {"ACTIVE" | "COMPLETED" | "ARCHIVED"} status
 * @property {string | null} [userId]
 *
 * @typedef {Stored<"tasks"> & TaskFields} Task
 */

/** @typedef {"PENDING" | "STREAMING"} RunningStatus */

/** @typedef {RunningStatus | "COMPLETED" | "CANCELLED" | "FAILED" | "INTERRUPTED"} Status */

/**
 * Where words come from, as Claude's API writes it.
 * @typedef {object} Citation
 * @property {string} [url]
 * @property {string} [source]
 * @property {string | null} [title]
 * @property {string | null} [document_title]
 * @property {string | null} [cited_text]
 */

/**
 * `seam` is true on the first part of a reply that was cut and went on.
 * @typedef {object} TextPart
 * @property {"text"} type
 * @property {string} text
 * @property {Citation[] | null} [citations]
 * @property {boolean | null} [seam]
 */

/**
 * @typedef {object} ReasoningPart
 * @property {"reasoning"} type
 * @property {string} text
 * @property {boolean | null} [seam]
 */

/**
 * `args` is there when `argsText` is complete.
 * @typedef {object} ToolCallPart
 * @property {"tool-call"} type
 * @property {string} toolCallId
 * @property {string} toolName
 * @property {string} argsText
 * @property {Record<string, unknown> | null} [args]
 * @property {boolean | null} [seam]
 */

/**
 * @typedef {object} ToolResultPart
 * @property {"tool-result"} type
 * @property {string} toolCallId
 * @property {unknown} [result]
 * @property {boolean} isError
 * @property {boolean | null} [seam]
 */

/** @typedef {TextPart | ReasoningPart | ToolCallPart | ToolResultPart} Part */

/**
 * The cached tokens are part of the prompt's, the thinking is part of the completion's.
 * @typedef {object} Usage
 * @property {number} promptTokens
 * @property {number} completionTokens
 * @property {number} totalTokens
 * @property {number} cacheReadTokens
 * @property {number} cacheWriteTokens
 * @property {number} thinkingTokens
 * @property {boolean} final
 */

/**
 * @typedef {object} ChatMessageFields
 * @property {"user" | "assistant" | "system"} role
 * @property {number} sequence
 * @property {Status} status
 * @property {Part[]} parts
 * @property {string | null} [model]
 * @property {Usage | null} [usage]
 * @property {string | null} [finishReason]
 * @property {{ code: string, message: string } | null} [error]
 * @property {{ attempt: number, code: string, at: number } | null} [retrying]
 * @property {string[] | null} [requestIds]
 * @property {Id<"chatMessages"> | null} [askedBy]
 * @property {number | null} [cancelRequestedAt]
 *
 * @typedef {OfTask<"chatMessages"> & ChatMessageFields} ChatMessage
 */

/**
 * A call of a tool, and what became of it.
 * @typedef {object} ToolCallFields
 * @property {string} toolCallId
 * @property {string} toolName
 * @property {"PENDING" | "RUNNING" | "COMPLETED" | "FAILED"} status
 * @property {unknown} [result]
 * @property {{ code: string, message: string } | null} [error]
 * @property {"server" | "executor"} runsOn
 * @property {"required" | "approved" | "denied" | null} [approval]
 * @property {string | null} [executor]
 * @property {number | null} [startedAt]
 * @property {number | null} [completedAt]
 * @property {Id<"chatMessages">} messageId
 * @property {Record<string, unknown>} args
 * @property {boolean} idempotent
 * @property {number} claims
 *
 * @typedef {OfTask<"agentTools"> & ToolCallFields} ToolCall
 */

/**
 * What a workspace last said of itself, and how it is; `said` is null where there never was one.
 * @typedef {object} WorkspaceHealth
 * @property {Id<"tasks">} taskId
 * @property {"healthy" | "degraded" | "gone"} status
 * @property {"healthy" | "degraded" | "gone" | null} [said]
 * @property {string | null} [host]
 * @property {number | null} [pid]
 * @property {string | null} [version]
 * @property {string | null} [directory]
 * @property {string | null} [message]
 * @property {ToolOffer[] | null} [tools] What Claude may be offered there.
 * @property {number | null} [lastSeenAt] Where it is gone.
 */

/** @typedef {"viewing" | "typing" | "editing-file" | "running-command" | "idle"} PersonActivity */

/**
 * Somebody in a task.
 * @typedef {object} PersonFields
 * @property {string} userId
 * @property {string} userName
 * @property {string | null} [userImage]
 * @property {PersonActivity} activity
 * @property {{ x: number, y: number } | null} [cursor]
 * @property {{ start: number, end: number, filePath?: string | null } | null} [selection]
 * @property {number} lastSeenAt In whole minutes.
 *
 * @typedef {OfTask<"presence"> & PersonFields} Person
 */

/**
 * What somebody did.
 * @typedef {object} ActivityFields
 * @property {string} userId
 * @property {string} activityType
 * @property {Record<string, unknown> | null} [metadata]
 * @property {number} timestamp
 *
 * @typedef {OfTask<"activities"> & ActivityFields} Activity
 */

/**
 * `oldPath` is there for a RENAME alone.
 * @typedef {object} FileChangeFields
 * @property {"CREATE" | "UPDATE" | "DELETE" | "RENAME"} changeType
 * @property {string} path
 * @property {string | null} [oldPath]
 * @property {number} additions
 * @property {number} deletions
 * @property {string | null} [diff]
 * @property {string | null} [toolCallId]
 *
 * @typedef {OfTask<"fileChanges"> & FileChangeFields} FileChange
 */

/**
 * A run of a tool in a workspace.
 * @typedef {object} ToolLogFields
 * @property {string} toolName
 * @property {"RUNNING" | "COMPLETED" | "FAILED"} status
 * @property {string | null} [input]
 * @property {string | null} [output]
 * @property {string | null} [error]
 * @property {number | null} [durationMs]
 * @property {string | null} [toolCallId]
 * @property {number | null} [completedAt]
 *
 * @typedef {OfTask<"toolLogs"> & ToolLogFields} ToolLog
 */

/**
 * Some of what a command wrote.
 * @typedef {object} TerminalSegmentFields
 * @property {string} commandId
 * @property {number} sequence
 * @property {TerminalPart[]} parts
 * @property {number | null} [omittedCharacters]
 *
 * @typedef {OfTask<"terminalOutput"> & TerminalSegmentFields} TerminalSegment
 */

/**
 * @typedef {object} TerminalPart
 * @property {"stdout" | "stderr" | "notice"} stream
 * @property {string} text
 */

/**
 * A tool as an action is offered it.
 * @typedef {object} ToolOffer
 * @property {string} name
 */

const cutShort = ["max_tokens", "max_steps"];

/** @param {ChatMessage} message */
export function isRunning({ status }) {
  return status === "PENDING" || status === "STREAMING";
}

/**
 * Whether a reply can go on, where it is the last of its task.
 * @param {ChatMessage} message
 */
export function isResumable(message) {
  const { role, status, finishReason } = message;
  if (role !== "assistant" || isRunning(message) || finishReason === "refusal") return false;
  return status !== "COMPLETED" || cutShort.includes(finishReason ?? "");
}

/** @param {ToolCall} call */
export function awaitsApproval({ status, approval }) {
  return status === "PENDING" && approval === "required";
}
