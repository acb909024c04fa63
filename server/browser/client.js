// @ts-check
/** Headwater's client, as others import it: `import { createClient } from "headwater"`. */

export {
  broadcastActivity,
  cancelStream,
  getActiveUsers,
  getRecentActivities,
  getToolCallById,
  listToolCallsByMessage,
  listToolCallsByTask,
  removePresence,
  resumeStream,
  streamChat,
  streamChatWithTools,
  updatePresence,
} from "./client/application.js";
export { createClient, defaultClient, HeadwaterError, setDefaultClient } from "./core.js";

/** @typedef {import("./client/create_client.js").Client} Client */
/** @typedef {import("./client/create_client.js").ClientOptions} ClientOptions */
/** @typedef {import("./client/sync.js").ConnectionState} ConnectionState */
/** @typedef {import("./client/optimistic.js").OptimisticStore} OptimisticStore */
/** @typedef {import("./client/optimistic.js").OptimisticUpdate} OptimisticUpdate */
/** @typedef {import("./client/references.js").Kind} Kind */
/** @typedef {import("./client/documents.js").Activity} Activity */
/** @typedef {import("./client/documents.js").ChatMessage} ChatMessage */
/** @typedef {import("./client/documents.js").FileChange} FileChange */
/** @typedef {import("./client/documents.js").Person} Person */
/** @typedef {import("./client/documents.js").Task} Task */
/** @typedef {import("./client/documents.js").TerminalSegment} TerminalSegment */
/** @typedef {import("./client/documents.js").ToolCall} ToolCall */
/** @typedef {import("./client/documents.js").ToolLog} ToolLog */
/** @typedef {import("./client/documents.js").WorkspaceHealth} WorkspaceHealth */

/**
 * @template T
 * @typedef {import("./client/query_set.js").LiveQuery<T>} LiveQuery
 */
/**
 * @template T
 * @typedef {import("./client/query_set.js").Shown<T>} Shown
 */
/**
 * @template T
 * @typedef {import("./client/query_set.js").Preloaded<T>} Preloaded
 */
/**
 * @template F
 * @typedef {import("./client/references.js").ArgsOf<F>} ArgsOf
 */
/**
 * @template F
 * @typedef {import("./client/references.js").ResultOf<F>} ResultOf
 */
/**
 * @template F
 * @template {unknown[]} [More=[]]
 * @typedef {import("./client/references.js").ArgsAnd<F, More>} ArgsAnd
 */
/**
 * @template {Kind} K
 * @template A
 * @template R
 * @typedef {import("./client/references.js").FunctionReference<K, A, R>} FunctionReference
 */
/**
 * @template F
 * @template {Kind} K
 * @typedef {import("./client/references.js").OfKind<F, K>} OfKind
 */
