// @ts-check
/** A reply's values, one after another, for whoever reads them at their own pace. */

import { isRunning } from "../client/documents.js";

/** @import { Client } from "../client/create_client.js" */
/** @import { HeadwaterError } from "../client/errors.js" */
/** @import { ChatMessage, ToolCall } from "../client/documents.js" */
/** @import { Reply } from "./reply.js" */

/**
 * A live query of one reply. A reader that is slow misses values, never the last one: nothing is
 * queued but what is newest.
 */
export class FollowedReply {
  #client;
  #args;
  #confirms;
  /** @type {(() => void)[]} */
  #unsubscribes = [];
  /** @type {ChatMessage | null | undefined} */
  #message;
  /** @type {readonly ToolCall[]} */
  #calls = [];
  #followsCalls = false;
  #hasNews = false;
  #closed = false;
  /** @type {HeadwaterError | undefined} */
  #failure;
  #wake = () => {};

  /**
   * @param {Client} client
   * @param {string} messageId
   * @param {boolean} confirms Whether an ending is read anew before it is believed: of a reply that
   *   was just resumed, what comes first may still be how it ended before.
   */
  constructor(client, messageId, confirms) {
    this.#client = client;
    this.#args = { messageId };
    this.#confirms = confirms;
    this.#follow("messages.get", (message) => {
      this.#message = message;
      if (!this.#followsCalls && message?.parts.some(isCall)) this.#followCalls();
    });
  }

  /**
   * The newest value that was not given before.
   * @returns {Promise<Reply | undefined>} Undefined when it was closed.
   * @throws {Error} The message cannot be read, or is gone.
   */
  async next() {
    for (;;) {
      await this.#news();
      if (this.#closed) return undefined;
      if (this.#failure) throw this.#failure;
      const message = await this.#believed();
      if (message) return { message, calls: this.#calls };
    }
  }

  close() {
    this.#closed = true;
    for (const unsubscribe of this.#unsubscribes.splice(0)) unsubscribe();
    this.#tell();
  }

  async #news() {
    while (!this.#hasNews && !this.#closed) {
      await new Promise((resolve) => (this.#wake = () => resolve(undefined)));
    }
    this.#hasNews = false;
  }

  /** What is held, unless the server knows better; undefined: wait for what comes. */
  async #believed() {
    const message = this.#message;
    if (message === undefined) return undefined;
    if (message && (isRunning(message) || !this.#confirms)) return message;
    /** @type {ChatMessage | null} */
    const now = await this.#client.query("messages.get", this.#args);
    if (now === null) throw new Error("This message is gone; its task was removed.");
    return isRunning(now) ? undefined : now;
  }

  #followCalls() {
    this.#followsCalls = true;
    this.#follow("toolCallTracking.byMessage", (calls) => (this.#calls = calls));
  }

  /**
   * @param {string} functionName
   * @param {(value: any) => void} take
   */
  #follow(functionName, take) {
    const unsubscribe = this.#client.subscribe(functionName, this.#args, {
      onChange: (value) => {
        take(value);
        this.#tell();
      },
      onError: (error) => {
        if (error.retry !== "never" || functionName !== "messages.get") return;
        this.#failure = error;
        this.#tell();
      },
    });
    if (this.#closed) unsubscribe();
    else this.#unsubscribes.push(unsubscribe);
  }

  #tell() {
    this.#hasNews = true;
    this.#wake();
  }
}

/** @param {ChatMessage["parts"][number]} part */
const isCall = ({ type }) => type === "tool-call";
