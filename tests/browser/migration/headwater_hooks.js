// The hooks by name, as far as the panel needs them, over the client alone.

import { broadcastActivity, defaultClient, streamChat, updatePresence } from "headwater";
import { useCallback, useEffect, useMemo, useSyncExternalStore } from "react";

function useValue(name, taskId) {
  const query = useMemo(() => defaultClient().live(name, { taskId }), [name, taskId]);
  const subscribe = useCallback((onChange) => query.subscribe(onChange), [query]);
  return useSyncExternalStore(subscribe, () => query.result)?.value;
}

export const useMessages = (taskId) => useValue("messages.byTask", taskId);
export const useActiveUsers = (taskId) => useValue("presence.getActiveUsers", taskId);
export const useRecentActivities = (taskId) => useValue("presence.getRecentActivities", taskId);
export const useChatStreaming = () => ({ startStream: streamChat });
export const useActivityBroadcast = (taskId, userId) => ({
  broadcast: (activityType, metadata) =>
    broadcastActivity({ taskId, userId, activityType, metadata }),
});

export function usePresence(taskId, userId, userName) {
  const updateActivity = useCallback(
    (activity) => updatePresence({ taskId, userId, userName, activity }),
    [taskId, userId, userName],
  );
  useEffect(() => {
    void updateActivity();
  }, [updateActivity]);
  return { updateActivity };
}
