// @ts-check
/** Headwater for Vercel's AI SDK: `import { HeadwaterChatTransport } from "headwater/ai-sdk"`. */

export { HeadwaterChatTransport } from "./adapters/chat_transport.js";
export { toUIMessages } from "./adapters/ui_messages.js";

/** @typedef {import("./adapters/chat_transport.js").TransportOptions} TransportOptions */
/** @typedef {import("./adapters/ui_message_chunks.js").ReplyMetadata} ReplyMetadata */
