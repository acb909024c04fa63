// @ts-check
/**
 * AG-UI runs, each the events of one reply.
 *
 * A thread is a task. The server keeps the conversation: of what AG-UI sends, only the new prompt
 * goes there. A run without one goes on with the last reply, where that was cut.
 */

import { resumeStream, streamChat } from "../client/application.js";
import { defaultClient } from "../client/default_client.js";
import { HeadwaterError } from "../client/errors.js";
import { createAgUiTranslator, snapshot, withoutReply } from "./ag_ui_events.js";
import { toAgUiMessages } from "./ag_ui_messages.js";
import { recentMessages, runningReplies } from "./asking.js";
import { replyStream } from "./reply_stream.js";

/** @import { Message, RunAgentInput } from "@ag-ui/core" */
/** @import { Client } from "../client/create_client.js" */
/** @import { AgUiEvent } from "./ag_ui_events.js" */
/** @import { ChatSettings } from "./asking.js" */

/**
 * @typedef {ChatSettings & { client?: Client, taskId?: string }} RunOptions `client`: by default the
 *   page's own. `taskId`: by default the thread's id.
 */

/** @typedef {Pick<RunAgentInput, "threadId" | "runId" | "messages"> & Partial<RunAgentInput>} RunInput */

/**
 * What a run says after it has started: at once, and then by a stream.
 * @typedef {{ first: AgUiEvent[], rest: ReadableStream<AgUiEvent> }} Opened
 */

/**
 * Ask Claude the last message, or go on with the reply that was cut. To cancel what it returns is
 * to look away: the reply goes on.
 * @param {RunInput} input
 * @param {RunOptions} [options]
 * @param {(messageId: Promise<string>) => unknown} [onMessage] Told which message the reply will be.
 * @returns {ReadableStream<AgUiEvent>}
 */
export function runEvents(input, options = {}, onMessage = () => {}) {
  const { client = defaultClient(), taskId = input.threadId, ...settings } = options;
  return eventStream(input, async () => {
    refuseWhatIsNotDone(input);
    const last = input.messages.at(-1);
    if (last?.role === "user") {
      const prompt = promptOf(last);
      const begun = streamChat({ ...settings, taskId, prompt }, client);
      const messageId = begun.then((told) => told.messageId);
      onMessage(messageId);
      return follow(client, input, await messageId, input.messages);
    }
    const reply = (await recentMessages(client, taskId)).findLast(isReply);
    if (!reply) throw new Error("There is nothing to answer: the last message is not a person's.");
    const { apiKeys } = settings;
    const resumed = resumeStream({ messageId: reply._id, ...(apiKeys && { apiKeys }) }, client);
    const messageId = resumed.then((told) => told.messageId);
    onMessage(messageId);
    await messageId;
    const others = withoutReply(input.messages, reply._id);
    const first = [snapshot(others, reply._id)];
    return { ...follow(client, input, reply._id, others, true), first };
  });
}

/**
 * The conversation as it is, and the reply that is being written in it, if one is.
 * @param {RunInput} input
 * @param {RunOptions} [options]
 * @param {(messageId: Promise<string>) => unknown} [onMessage]
 * @returns {ReadableStream<AgUiEvent>}
 */
export function connectEvents(input, options = {}, onMessage = () => {}) {
  const { client = defaultClient(), taskId = input.threadId } = options;
  return eventStream(input, async () => {
    const documents = await recentMessages(client, taskId);
    const [reply] = runningReplies(documents);
    const before = reply ? documents.slice(0, documents.indexOf(reply)) : documents;
    const messages = toAgUiMessages(before);
    if (reply) {
      onMessage(Promise.resolve(reply._id));
      const isKnown = withoutReply(input.messages, reply._id).length < input.messages.length;
      const first = [snapshot(messages, isKnown && reply._id)];
      return { ...follow(client, input, reply._id, messages), first };
    }
    const { threadId, runId } = input;
    const end = { type: "RUN_FINISHED", threadId, runId, outcome: { type: "success" } };
    return { first: [snapshot(messages), end], rest: nothing() };
  });
}

/**
 * @param {Client} client
 * @param {RunInput} input
 * @param {string} messageId
 * @param {Message[]} messages What the conversation holds beside the reply.
 * @param {boolean} [isResumed]
 * @returns {Opened}
 */
function follow(client, { threadId, runId }, messageId, messages, isResumed = false) {
  const translate = createAgUiTranslator({ threadId, runId, messages });
  return {
    first: [],
    rest: replyStream({ client, messageIds: [messageId], translate, isResumed }),
  };
}

/**
 * A run that has started whatever comes; what fails is its error.
 * @param {RunInput} input
 * @param {() => Promise<Opened>} open
 * @returns {ReadableStream<AgUiEvent>}
 */
function eventStream({ threadId, runId }, open) {
  let hasStarted = false;
  let isCancelled = false;
  /** @type {ReadableStreamDefaultReader<AgUiEvent> | undefined} */
  let rest;
  return new ReadableStream(
    {
      async pull(controller) {
        if (!hasStarted) {
          hasStarted = true;
          controller.enqueue({ type: "RUN_STARTED", threadId, runId });
          return;
        }
        try {
          if (!rest) {
            const opened = await open();
            rest = opened.rest.getReader();
            if (isCancelled) return await rest.cancel();
            for (const event of opened.first) controller.enqueue(event);
            if (opened.first.length > 0) return;
          }
          const { done, value } = await rest.read();
          if (done) controller.close();
          else controller.enqueue(value);
        } catch (error) {
          if (isCancelled) return;
          controller.enqueue(runError(error));
          controller.close();
        }
      },
      cancel(reason) {
        isCancelled = true;
        return rest?.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * @param {unknown} error
 * @returns {AgUiEvent}
 */
function runError(error) {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof HeadwaterError ? error.code : "unsupported";
  return { type: "RUN_ERROR", message, code };
}

/** @returns {ReadableStream<never>} */
const nothing = () => new ReadableStream({ start: (controller) => controller.close() });

/** @param {{ role: string }} message */
const isReply = ({ role }) => role === "assistant";

/** @param {RunInput} input */
function refuseWhatIsNotDone({ tools, resume }) {
  if (tools && tools.length > 0) {
    throw new Error(
      "Tools of the page are not offered to Claude: offer them by the agent's own `tools`, and " +
        "run them in an executor, which follows toolCallTracking.pending.",
    );
  }
  if (resume && resume.length > 0) {
    throw new Error(
      "A run is not interrupted here: allow a call by toolCallTracking.approve, refuse it by deny.",
    );
  }
}

/** @param {Extract<Message, { role: "user" }>} message */
function promptOf({ content }) {
  if (typeof content === "string") return content;
  return content
    .map((part) => {
      if (part.type === "text") return part.text;
      throw new Error(`Prompts are text; this one has a part of the type ${part.type}.`);
    })
    .join("\n\n");
}
