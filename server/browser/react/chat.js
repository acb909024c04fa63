// @ts-check
/** Replies of Claude: begun, cancelled and resumed by one component, which knows whether one runs. */

import { useEffect, useMemo, useRef, useState } from "./react.js";
import { cancelStream, resumeStream, streamChatWithTools } from "./core.js";
import { useHeadwater } from "./provider.js";
import { useValue } from "./query.js";

/** @import { Id } from "../client/documents.js" */
/** @import { Begun, ChatInput, OfferedTool, ResumeInput, Resumed } from "../client/application.js" */

/**
 * What is followed of a message: it changes with the message's standing, not with its text.
 * @typedef {{ status: string, updatedAt: number } | null | undefined} Standing
 */

/**
 * @typedef {object} Current
 * @property {Id<"chatMessages">} messageId
 * @property {Standing} before How the message stood when the call was made that set it going: as
 *   long as it is seen to stand so, the call's effect has not been seen.
 * @property {Standing} [standing] As it was rendered last.
 */

/**
 * @typedef {object} ChatStreaming
 * @property {boolean} isStreaming From the call until its reply says that it is neither waiting nor
 *   being written.
 * @property {Id<"chatMessages"> | null} currentMessageId Of the last reply that was begun or resumed
 *   here; it stays when the reply has ended.
 * @property {(args: ChatInput) => Promise<Begun>} startStream
 * @property {(args: ChatInput & { tools?: OfferedTool[] }) => Promise<Begun>} startStreamWithTools
 * @property {() => Promise<{ cancelled: boolean } | undefined>} cancelStream The current reply, or
 *   the one that is just being begun; nothing happens without one.
 * @property {(args?: ResumeInput & Record<string, unknown>) => Promise<Resumed>} resumeStream
 */

/**
 * Begin replies and follow the last of them. The functions are the same in every render, and the
 * text that comes renders nothing here: show it by `useStreamingMessage(currentMessageId)`.
 * @returns {ChatStreaming}
 */
export function useChatStreaming() {
  const client = useHeadwater();
  const [callsCount, setCallsCount] = useState(0);
  const [current, setCurrent] = useState(/** @type {Current | undefined} */ (undefined));
  const messageId = current?.messageId;
  /** @type {Standing} */
  const standing = useValue("messages.get", messageId ? { messageId } : "skip", standingOf);
  const unseen = current && (standing ?? null) === current.before;
  useEffect(() => {
    if (!current) return;
    current.standing = standing;
    if (standing && !unseen) current.before = undefined;
  });

  /** What was set going last. */
  const going = useRef(/** @type {Promise<Current | undefined> | undefined} */ (undefined));
  const functions = useMemo(() => {
    /**
     * @template {Resumed} B
     * @param {Promise<B>} call
     * @param {Standing} before
     */
    function begin(call, before) {
      const last = going.current;
      setCallsCount((count) => count + 1);
      going.current = call
        .then(({ messageId }) => {
          const begun = { messageId, before };
          setCurrent(begun);
          return begun;
        })
        .catch(() => last)
        .finally(() => setCallsCount((count) => count - 1));
      return call;
    }

    /** @param {ChatInput & { tools?: OfferedTool[] }} input */
    const start = (input) => begin(streamChatWithTools(input, client), null);

    return {
      startStream: start,
      startStreamWithTools: start,
      async cancelStream() {
        const last = await going.current;
        return last && cancelStream(last.messageId, client);
      },
      /** @param {ResumeInput} [input] */
      async resumeStream({ messageId, fromMessageId, apiKeys } = {}) {
        const last = await going.current;
        const id = messageId ?? fromMessageId ?? last?.messageId;
        const before = id === last?.messageId ? last?.standing : undefined;
        return begin(resumeStream({ messageId: id, apiKeys }, client), before);
      },
    };
  }, [client]);

  const runs = standing?.status === "PENDING" || standing?.status === "STREAMING";
  return {
    isStreaming: callsCount > 0 || unseen || runs,
    currentMessageId: messageId ?? null,
    ...functions,
  };
}

export { useChatStreaming as useConvexChatStreaming };

/** @param {any} message */
const standingOf = (message) =>
  message && { status: message.status, updatedAt: message.updatedAt };
