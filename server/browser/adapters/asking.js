// @ts-check
/** What adapters ask the server for: a new reply, one that goes on, those that run. */

import { recentMax } from "./limits.js";
import { isRunning } from "../client/documents.js";

/** @import { Client } from "../client/create_client.js" */
/** @import { ChatInput } from "../client/application.js" */
/** @import { ChatMessage } from "../client/documents.js" */

/**
 * How Claude is asked, beside the prompt.
 * @typedef {Partial<Omit<ChatInput, "taskId" | "prompt">>} ChatSettings
 */

/**
 * The last messages of a task, oldest first.
 * @param {Client} client
 * @param {string} taskId
 * @returns {Promise<ChatMessage[]>}
 */
export function recentMessages(client, taskId) {
  return client.query("messages.byTask", { taskId, limit: recentMax });
}

/**
 * The replies that are being written or wait for their turn, in their order.
 * @param {readonly ChatMessage[]} messages
 */
export function runningReplies(messages) {
  return messages.filter((message) => message.role === "assistant" && isRunning(message));
}
