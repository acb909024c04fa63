// @ts-check
/**
 * The application's functions by name, with the arguments that its clients have always given them.
 *
 * Of what they take, and we do not: `llmModel` is the model where it is given, `clientMessageId`
 * is the Idempotency-Key, keys of other services than Anthropic are never sent, and
 * `promptMessageId` is left out, because the prompt's message is made with the reply's.
 *
 * Each takes the client that it is to use at its end, after all that it may be given.
 */

import { defaultClient } from "./default_client.js";

/** @import { Activity, Id, Person, ToolCall } from "./documents.js" */
/** @import { Client } from "./create_client.js" */

/**
 * @typedef {object} ChatInput
 * @property {string} taskId
 * @property {string} prompt
 * @property {string} [model]
 * @property {string} [llmModel]
 * @property {string} [systemPrompt]
 * @property {Record<string, string | undefined>} [apiKeys]
 * @property {boolean} [autoResume]
 * @property {string} [clientMessageId] Equal ones start one reply, whoever asks.
 * @property {string} [promptMessageId]
 * @property {OfferedTool[]} [tools] What Claude may call.
 */

/**
 * @typedef {object} OfferedTool
 * @property {string} name
 * @property {string} [description]
 * @property {object} [parameters]
 * @property {boolean} [idempotent]
 * @property {boolean} [approval]
 * @property {number} [timeoutMs]
 */

/**
 * @typedef {object} ResumeInput
 * @property {string} [messageId] The reply that goes on.
 * @property {string} [fromMessageId] The same, by its older name.
 * @property {Record<string, string | undefined>} [apiKeys]
 */

/**
 * @typedef {object} PresenceInput
 * @property {string} taskId
 * @property {string} userId
 * @property {string} userName
 * @property {string} [userImage]
 * @property {string} [activity]
 * @property {{ x: number, y: number } | null} [cursor] Absent: as it was; null: none any more.
 * @property {{ start: number, end: number, filePath?: string } | null} [selection]
 * @property {string} [tabId]
 */

/**
 * @typedef {object} ActivityInput
 * @property {string} taskId
 * @property {string} userId
 * @property {string} activityType
 * @property {Record<string, unknown>} [metadata]
 */

/** @typedef {{ messageId: Id<"chatMessages">, userMessageId: Id<"chatMessages"> }} Begun */
/** @typedef {{ messageId: Id<"chatMessages"> }} Resumed */

/**
 * Ask Claude, who may call the tools that are given; resolves as soon as the reply's message is
 * there, in which it grows.
 * @param {ChatInput} input
 * @param {Client} [client]
 * @returns {Promise<Begun>}
 */
export function streamChat(
  { model, llmModel, tools, apiKeys, clientMessageId, promptMessageId, ...rest },
  client,
) {
  const offered = tools?.length ? { tools } : undefined;
  return act(
    client,
    offered ? "streamChatWithTools" : "streamChat",
    { ...rest, ...offered, model: llmModel ?? model },
    apiKeys,
    clientMessageId,
  );
}

export { streamChat as streamChatWithTools };

/**
 * End a reply that is being written.
 * @param {string} messageId
 * @param {Client} [client]
 * @returns {Promise<{ cancelled: boolean }>}
 */
export const cancelStream = (messageId, client) => act(client, "cancelStream", { messageId });

/**
 * Go on with a reply that was cut, from its end; with the model and the prompt that it began with.
 * @param {ResumeInput & Record<string, unknown>} input
 * @param {Client} [client]
 * @returns {Promise<Resumed>}
 */
export const resumeStream = ({ messageId, fromMessageId, apiKeys }, client) =>
  act(client, "resumeStream", { messageId: messageId ?? fromMessageId }, apiKeys);

/**
 * @param {Client | undefined} client
 * @param {string} name
 * @param {object} args
 * @param {Record<string, string | undefined>} [apiKeys] Of which Anthropic's alone is sent.
 * @param {string} [idempotencyKey]
 * @returns {Promise<any>}
 */
function act(client = defaultClient(), name, args, apiKeys, idempotencyKey) {
  const anthropic = apiKeys?.anthropic;
  return client.action(
    `streaming.${name}`,
    { ...args, ...(anthropic && { apiKeys: { anthropic } }) },
    idempotencyKey ? { idempotencyKey } : {},
  );
}

/**
 * @param {PresenceInput} input
 * @param {Client} [client]
 * @returns {Promise<Id<"presence">>} The `_id` of the person's row.
 */
export const updatePresence = (input, client = defaultClient()) =>
  client.mutation("presence.updatePresence", input, { idempotent: true });

/**
 * @param {string} taskId
 * @param {number} [timeoutMs]
 * @param {Client} [client]
 * @returns {Promise<Person[]>}
 */
export const getActiveUsers = (taskId, timeoutMs, client) =>
  ask(client, "presence.getActiveUsers", { taskId, timeoutMs });

/**
 * @param {string} taskId
 * @param {string} userId
 * @param {string} [tabId] Absent: all tabs of the person.
 * @param {Client} [client]
 * @returns {Promise<null>}
 */
export const removePresence = (taskId, userId, tabId, client = defaultClient()) =>
  client.mutation("presence.removePresence", { taskId, userId, tabId });

/**
 * @param {ActivityInput} input
 * @param {Client} [client]
 * @returns {Promise<Activity>} The activity.
 */
export const broadcastActivity = (input, client = defaultClient()) =>
  client.mutation("presence.broadcastActivity", input);

/**
 * @param {string} taskId
 * @param {number} [limit]
 * @param {Client} [client]
 * @returns {Promise<Activity[]>} Newest first.
 */
export const getRecentActivities = (taskId, limit, client) =>
  ask(client, "presence.getRecentActivities", { taskId, limit });

/**
 * @param {string} messageId
 * @param {Client} [client]
 * @returns {Promise<ToolCall[]>}
 */
export const listToolCallsByMessage = (messageId, client) =>
  ask(client, "toolCallTracking.byMessage", { messageId });

/**
 * @param {string} taskId
 * @param {Client} [client]
 * @returns {Promise<ToolCall[]>} Oldest first.
 */
export const listToolCallsByTask = (taskId, client) =>
  ask(client, "toolCallTracking.byTask", { taskId });

/**
 * @param {string} toolCallId Claude's name for the call, not its `_id`.
 * @param {Client} [client]
 * @returns {Promise<ToolCall | null>} Null where there is none.
 */
export const getToolCallById = (toolCallId, client) =>
  ask(client, "toolCallTracking.byToolCallId", { toolCallId });

/**
 * @param {Client | undefined} client
 * @param {string} functionName
 * @param {Record<string, unknown>} args
 * @returns {Promise<any>}
 */
const ask = (client = defaultClient(), functionName, args) => client.query(functionName, args);
