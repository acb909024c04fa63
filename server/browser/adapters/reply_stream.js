// @ts-check
/** A stream of what happens to a reply, in the words of whoever reads it. */

import { FollowedReply } from "./follow_reply.js";
import { replyChanges } from "./reply_changes.js";

/** @import { Client } from "../client/create_client.js" */
/** @import { Reply } from "./reply.js" */
/** @import { ReplyChange } from "./reply_changes.js" */

/**
 * Tells replies, one after another, each until it has ended. What is there already is told first,
 * so that whoever comes late has it all. Nothing is followed before somebody reads. To cancel the
 * stream, or to abort, is to look away: the reply goes on.
 * @template T
 * @param {object} options
 * @param {Client} options.client
 * @param {string[]} options.messageIds
 * @param {(change: ReplyChange, reply: Reply) => T[]} options.translate
 * @param {boolean} [options.isResumed] Whether they were just resumed.
 * @param {AbortSignal | undefined} [options.signal]
 * @returns {ReadableStream<T>}
 */
export function replyStream({ client, messageIds, translate, isResumed = false, signal }) {
  const waiting = [...messageIds];
  /** @type {FollowedReply | undefined} */
  let followed;
  /** @type {Reply | undefined} */
  let told;
  const close = () => {
    waiting.length = 0;
    followed?.close();
    signal?.removeEventListener("abort", close);
  };
  if (signal?.aborted) close();
  signal?.addEventListener("abort", close);

  /** What comes next; undefined when nothing does. */
  async function next() {
    if (!followed) {
      const messageId = waiting.shift();
      if (messageId === undefined) return undefined;
      followed = new FollowedReply(client, messageId, isResumed);
    }
    const reply = await followed.next();
    if (!reply) return undefined;
    const changes = replyChanges(told, reply);
    const hasEnded = changes.at(-1)?.type === "ended";
    if (hasEnded) {
      followed.close();
      followed = undefined;
    }
    told = hasEnded ? undefined : reply;
    return changes.flatMap((change) => translate(change, reply));
  }

  return new ReadableStream(
    {
      async pull(controller) {
        try {
          let said = await next();
          while (said?.length === 0) said = await next();
          if (!said) {
            close();
            controller.close();
          } else for (const one of said) controller.enqueue(one);
        } catch (error) {
          close();
          throw error;
        }
      },
      cancel: close,
    },
    { highWaterMark: 0 },
  );
}
