// @ts-check
/**
 * The application's functions by name, with the arguments that its clients have always given them.
 *
 * Of what they take, and we do not: `llmModel` is the model where it is given, `clientMessageId`
 * is the Idempotency-Key, keys of other services than Anthropic are never sent, and
 * `promptMessageId` is left out, because the prompt's message is made with the reply's.
 */

import { defaultClient } from "./default_client.js";

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

/** @typedef {{ messageId: string, userMessageId: string }} Begun */

/**
 * Ask Claude; resolves as soon as the reply's message is there, in which it grows.
 * @param {ChatInput} input
 * @param {Client} [client]
 * @returns {Promise<Begun>}
 */
export function streamChat(input, client = defaultClient()) {
  return chat(client, "streaming.streamChat", input, {});
}

/**
 * The same with tools; without one it is `streamChat`.
 * @param {ChatInput & { tools?: OfferedTool[] }} input
 * @param {Client} [client]
 * @returns {Promise<Begun>}
 */
export function streamChatWithTools({ tools, ...input }, client = defaultClient()) {
  if (!tools?.length) return streamChat(input, client);
  return chat(client, "streaming.streamChatWithTools", input, { tools });
}

/**
 * @param {Client} client
 * @param {string} functionName
 * @param {ChatInput} input
 * @param {{ tools?: OfferedTool[] }} more
 * @returns {Promise<Begun>}
 */
function chat(client, functionName, input, more) {
  const { model, llmModel, apiKeys, clientMessageId, promptMessageId, ...rest } = input;
  const args = { ...rest, ...more, model: llmModel ?? model, apiKeys: claudeKey(apiKeys) };
  return client.action(
    functionName,
    args,
    clientMessageId ? { idempotencyKey: clientMessageId } : {},
  );
}

/** @param {Record<string, string | undefined>} [apiKeys] */
const claudeKey = (apiKeys) => (apiKeys?.anthropic ? { anthropic: apiKeys.anthropic } : undefined);

/**
 * @param {string} messageId
 * @param {Client} [client]
 * @returns {Promise<{ cancelled: boolean }>}
 */
export const cancelStream = (messageId, client = defaultClient()) =>
  client.action("streaming.cancelStream", { messageId });

/**
 * Go on with a reply that was cut, from its end; with the model and the prompt that it began with.
 * @param {ResumeInput & Record<string, unknown>} input
 * @param {Client} [client]
 * @returns {Promise<{ messageId: string }>}
 */
export const resumeStream = ({ messageId, fromMessageId, apiKeys }, client = defaultClient()) =>
  client.action("streaming.resumeStream", {
    messageId: messageId ?? fromMessageId,
    apiKeys: claudeKey(apiKeys),
  });

/**
 * @param {PresenceInput} input
 * @returns {Promise<string>} The `_id` of the person's row.
 */
export const updatePresence = (input) =>
  defaultClient().mutation("presence.updatePresence", input, { idempotent: true });

/**
 * @param {string} taskId
 * @param {number} [timeoutMs]
 * @returns {Promise<any[]>}
 */
export const getActiveUsers = (taskId, timeoutMs) =>
  defaultClient().query("presence.getActiveUsers", { taskId, timeoutMs });

/**
 * @param {string} taskId
 * @param {string} userId
 * @param {string} [tabId] Absent: all tabs of the person.
 * @returns {Promise<null>}
 */
export const removePresence = (taskId, userId, tabId) =>
  defaultClient().mutation("presence.removePresence", { taskId, userId, tabId });

/**
 * @param {ActivityInput} input
 * @param {Client} [client]
 * @returns {Promise<any>} The activity.
 */
export const broadcastActivity = (input, client = defaultClient()) =>
  client.mutation("presence.broadcastActivity", input);

/**
 * @param {string} taskId
 * @param {number} [limit]
 * @returns {Promise<any[]>} Newest first.
 */
export const getRecentActivities = (taskId, limit) =>
  defaultClient().query("presence.getRecentActivities", { taskId, limit });

/**
 * @param {string} messageId
 * @returns {Promise<any[]>}
 */
export const listToolCallsByMessage = (messageId) =>
  defaultClient().query("toolCallTracking.byMessage", { messageId });

/**
 * @param {string} taskId
 * @returns {Promise<any[]>} Oldest first.
 */
export const listToolCallsByTask = (taskId) =>
  defaultClient().query("toolCallTracking.byTask", { taskId });

/**
 * @param {string} toolCallId Claude's name for the call, not its `_id`.
 * @returns {Promise<any>} Null where there is none.
 */
export const getToolCallById = (toolCallId) =>
  defaultClient().query("toolCallTracking.byToolCallId", { toolCallId });
