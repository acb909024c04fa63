// @ts-check
/** The door by which the client comes in: one import for all modules, which a bundle pays for once. */

export {
  broadcastActivity,
  cancelStream,
  defaultClient,
  resumeStream,
  streamChatWithTools,
} from "../client.js";
