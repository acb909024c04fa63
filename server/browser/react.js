// @ts-check
/** Headwater for React, as others import it: `import { useQuery } from "headwater/react"`. */

export {
  useActiveUsers,
  useFileChanges,
  useMessages,
  useRecentActivities,
  useStreamingMessage,
  useStreamingToolCalls,
  useTask,
  useTaskMonitor,
  useTerminal,
  useToolLogs,
  useWorkspace,
} from "./react/application.js";
export { useAction, useMutation } from "./react/call.js";
export { useChatStreaming, useConvexChatStreaming } from "./react/chat.js";
export { useIds, useItem } from "./react/lists.js";
export { usePaginatedQuery } from "./react/paginated.js";
export { useActivityBroadcast, usePresence } from "./react/presence.js";
export { HeadwaterProvider, useConnectionState, useHeadwater } from "./react/provider.js";
export { useQuery } from "./react/query.js";
export { useSuspenseQuery } from "./react/suspense.js";
