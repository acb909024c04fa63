// The same names from Headwater. Convex's provider may stay until nobody asks for it any more.

export { convex } from "./old_hooks.js";
export {
  useActiveUsers,
  useActivityBroadcast,
  useChatStreaming,
  useMessages,
  usePresence,
  useRecentActivities,
} from "headwater/react";
