// Half-way: presence has moved, one import after another; the chat is still the old one.

export { convex, useChatStreaming, useMessages } from "./old_hooks.js";
export {
  useActiveUsers,
  useActivityBroadcast,
  usePresence,
  useRecentActivities,
} from "headwater/react";
