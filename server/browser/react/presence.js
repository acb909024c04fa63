// @ts-check
/** Somebody who is here, as long as a component is mounted. */

import { createHeartbeat } from "../client/heartbeat.js";
import { useEffect, useMemo } from "./react.js";
import { broadcastActivity } from "./core.js";
import { useLatest } from "./call.js";
import { useHeadwater } from "./provider.js";

/** @import { PersonActivity } from "../client/documents.js" */
/** @import { Cursor, Selection } from "../client/heartbeat.js" */

/**
 * Be in a task: a beat every 30 s, every 45 s in a hidden tab, and a farewell when the component
 * unmounts or the page goes. Without a task or a user nobody is anywhere.
 *
 * `updateActivity` says at once what somebody does; call it as often as a pointer moves. What is
 * left out stays as it was; a cursor or a selection of null is taken away. Nothing here throws: a
 * network that fails is tried again.
 * @param {string | null | undefined} taskId
 * @param {string | null | undefined} userId
 * @param {string} userName
 * @param {string | null} [userImage]
 * @returns {{ updateActivity: (activity?: PersonActivity, cursor?: Cursor | null, selection?: Selection | null) => void }}
 */
export function usePresence(taskId, userId, userName, userImage) {
  const client = useHeadwater();
  const latest = useLatest({ userName, userImage });
  const heartbeat = useMemo(
    () => createHeartbeat(client, { taskId, userId }, latest),
    [client, taskId, userId],
  );
  useEffect(() => (taskId && userId ? heartbeat.join() : undefined), [heartbeat]);
  return heartbeat;
}

/**
 * Record what somebody did; does nothing without a task or a user.
 * @param {string | null | undefined} taskId
 * @param {string | null | undefined} userId
 * @returns {{ broadcast: (activityType: string, metadata?: Record<string, unknown>) => Promise<any> }}
 */
export function useActivityBroadcast(taskId, userId) {
  const client = useHeadwater();
  return useMemo(
    () => ({
      broadcast: async (activityType, metadata) =>
        taskId && userId && broadcastActivity({ taskId, userId, activityType, metadata }, client),
    }),
    [client, taskId, userId],
  );
}
