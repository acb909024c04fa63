// @ts-check
/**
 * The AI SDK's chat transport, on live queries.
 *
 * The server keeps the conversation: of what the SDK sends, only the new prompt goes there. What it
 * reads is a message document that grows, from whatever it holds already.
 *
 * An abort is a disconnect. The SDK aborts when somebody stops and when a component goes away
 * alike, and what can be found again after a reload must not end with the page that shows it; so
 * the SDK's guide would have it where streams are resumed. To stop a reply for everybody there is
 * `cancel`, whose effect then comes by the stream.
 */

import { cancelStream, resumeStream, streamChat } from "../client/application.js";
import { defaultClient } from "../client/default_client.js";
import { HeadwaterError } from "../client/errors.js";
import { recentMessages, runningReplies } from "./asking.js";
import { isRunning } from "../client/documents.js";
import { textOf } from "./reply.js";
import { replyStream } from "./reply_stream.js";
import { uiMessageChunks } from "./ui_message_chunks.js";

/** @import { ChatTransport, UIMessage, UIMessageChunk } from "ai" */
/** @import { Client } from "../client/create_client.js" */
/** @import { ChatSettings } from "./asking.js" */
/** @import { ChatMessage } from "../client/documents.js" */

/**
 * @typedef {ChatSettings & {
 *   client?: Client,
 *   taskId?: string | ((chatId: string) => string),
 * }} TransportOptions `client`: by default the page's own. `taskId`: of which task a chat is; by
 *   default the chat's id is the task's.
 */

/**
 * @template {UIMessage} [M=UIMessage]
 */
export class HeadwaterChatTransport {
  /** What is reconnected to is told from its beginning. */
  resumeStreamIsReplay = true;
  #client;
  #taskId;
  #settings;
  /** @type {{ taskId: string, messageId: Promise<string> } | undefined} */
  #going;

  /** @param {TransportOptions} [options] */
  constructor({ client = defaultClient(), taskId = (chatId) => chatId, ...settings } = {}) {
    this.#client = client;
    this.#taskId = typeof taskId === "string" ? () => taskId : taskId;
    this.#settings = settings;
  }

  /**
   * Asks Claude, or goes on with a reply that was cut.
   * @param {Parameters<ChatTransport<M>["sendMessages"]>[0]} options `body` may hold settings for this
   *   one prompt: model, systemPrompt, tools, apiKeys, autoResume.
   * @returns {Promise<ReadableStream<UIMessageChunk>>}
   * @throws {Error} What is asked for cannot be done here; says what can.
   */
  async sendMessages({ trigger, chatId, messageId, messages, abortSignal, body }) {
    const taskId = this.#taskId(chatId);
    const prompt = promptOf(messages);
    const settings = { ...this.#settings, ...body };
    if (trigger === "regenerate-message") {
      const isOurs = messageId !== undefined && messages.every(({ id }) => id !== messageId);
      const reply = await this.#replyTo(taskId, prompt, isOurs ? messageId : undefined);
      if (reply) return this.#resume(taskId, reply, settings, abortSignal);
    } else if (messageId !== undefined) {
      throw new Error(
        "The server keeps the conversation as it was said: a message that was sent can neither " +
          "be changed nor sent again. Send a new one.",
      );
    }
    const begun = streamChat({ ...settings, taskId, prompt }, this.#client);
    return this.#stream([await this.#begin(taskId, begun)], abortSignal);
  }

  /**
   * @param {Parameters<ChatTransport<M>["reconnectToStream"]>[0]} options
   * @returns {Promise<ReadableStream<UIMessageChunk> | null>} Null: no reply runs.
   */
  async reconnectToStream({ chatId, abortSignal }) {
    const running = runningReplies(await recentMessages(this.#client, this.#taskId(chatId)));
    if (running.length === 0) return null;
    return this.#stream(running.map(({ _id }) => _id), abortSignal);
  }

  /**
   * Stop the reply that this transport set going last in the chat, or else the one that is being
   * written there, for everybody.
   * @param {string} chatId
   * @returns {Promise<boolean>} Whether one was running.
   */
  async cancel(chatId) {
    const taskId = this.#taskId(chatId);
    if (this.#going?.taskId === taskId) {
      const messageId = await this.#going.messageId.catch(() => undefined);
      if (messageId && (await cancelStream(messageId, this.#client)).cancelled) return true;
    }
    const [first] = runningReplies(await recentMessages(this.#client, taskId));
    return first !== undefined && (await cancelStream(first._id, this.#client)).cancelled;
  }

  /**
   * Which reply is to go on: the one that is named, or the last, if it answers the prompt.
   * Undefined: the prompt never came to the server.
   * @param {string} taskId
   * @param {string} prompt
   * @param {string | undefined} messageId
   */
  async #replyTo(taskId, prompt, messageId) {
    if (messageId !== undefined) return messageId;
    const recent = await recentMessages(this.#client, taskId);
    const last = recent.findLast(({ role }) => role === "assistant");
    const asked = recent.find(({ _id }) => _id === last?.askedBy);
    return asked && textOf(asked) === prompt ? last?._id : undefined;
  }

  /**
   * @param {string} taskId
   * @param {string} messageId
   * @param {ChatSettings} settings
   * @param {AbortSignal | undefined} signal
   */
  async #resume(taskId, messageId, { apiKeys }, signal) {
    const resumed = resumeStream({ messageId, ...(apiKeys && { apiKeys }) }, this.#client);
    try {
      return this.#stream([await this.#begin(taskId, resumed)], signal, { isResumed: true });
    } catch (error) {
      if (!(error instanceof HeadwaterError) || error.code !== "conflict") throw error;
      /** @type {ChatMessage | null} */
      const message = await this.#client.query("messages.get", { messageId });
      if (!message) throw error;
      // The SDK has dropped what it showed of the reply; it gets it back, beside the reason.
      const refusal = isRunning(message) ? {} : { refusal: error.message };
      return this.#stream([messageId], signal, refusal);
    }
  }

  /**
   * @param {string} taskId
   * @param {Promise<{ messageId: string }>} call
   */
  #begin(taskId, call) {
    const messageId = call.then((begun) => begun.messageId);
    this.#going = { taskId, messageId };
    return messageId;
  }

  /**
   * @param {string[]} messageIds
   * @param {AbortSignal | undefined} signal
   * @param {{ isResumed?: boolean, refusal?: string }} [options] `refusal`: why the reply is not
   *   written anew.
   * @returns {ReadableStream<UIMessageChunk>}
   */
  #stream(messageIds, signal, { isResumed = false, refusal } = {}) {
    return replyStream({
      client: this.#client,
      messageIds,
      isResumed,
      signal,
      translate: (change, reply) =>
        change.type === "ended" && refusal !== undefined
          ? [{ type: "error", errorText: refusal }]
          : uiMessageChunks(change, reply),
    });
  }
}

/**
 * The text of the last message, which is somebody's.
 * @param {readonly UIMessage[]} messages
 */
function promptOf(messages) {
  const last = messages.at(-1);
  if (last?.role !== "user") {
    throw new Error(
      "The last message is not a person's. Replies go on by themselves here: allow a call by " +
        "toolCallTracking.approve, refuse it by deny, report a tool's result by updateResult.",
    );
  }
  return last.parts
    .map((part) => {
      if (part.type === "text") return part.text;
      throw new Error(`Prompts are text; this one has a part of the type ${part.type}.`);
    })
    .join("\n\n");
}
