// The hooks of the old application: the chat by Socket.IO, who is here and what they do by Convex.

import { useConvex, useQuery } from "convex/react";
import { anyApi as api } from "convex/server";
import { useCallback, useEffect, useState } from "react";
import { io } from "socket.io-client";

const socket = io(location.origin);

export function useMessages(taskId) {
  const [messages, setMessages] = useState([]);
  useEffect(() => {
    const join = () => socket.emit("join-task", { taskId }, () => {});
    const put = (message) =>
      setMessages((all) => [...all.filter(({ _id }) => _id !== message._id), message]);
    const grow = ({ messageId, content }) =>
      setMessages((all) => {
        const known = all.find(({ _id }) => _id === messageId);
        if (!known) return [...all, { _id: messageId, role: "ASSISTANT", content }];
        return all.map((one) => (one === known ? { ...one, content: one.content + content } : one));
      });
    const heard = {
      connect: join,
      message: put,
      "stream-chunk": grow,
      "chat-history": ({ messages }) => setMessages(messages),
    };
    for (const [event, listener] of Object.entries(heard)) socket.on(event, listener);
    if (socket.connected) join();
    return () => {
      for (const [event, listener] of Object.entries(heard)) socket.off(event, listener);
    };
  }, [taskId]);
  return messages;
}

export function useChatStreaming() {
  const startStream = useCallback(
    async ({ taskId, prompt }) =>
      void socket.emit("user-message", {
        taskId,
        message: prompt,
        clientMessageId: crypto.randomUUID(),
      }),
    [],
  );
  return { startStream };
}

export function useActiveUsers(taskId) {
  return useQuery(api.presence.getActiveUsers, { taskId });
}

export function useRecentActivities(taskId) {
  return useQuery(api.presence.getRecentActivities, { taskId });
}

export function usePresence(taskId, userId, userName) {
  const convex = useConvex();
  const updateActivity = useCallback(
    (activity, cursor, selection) =>
      convex.mutation(api.presence.updatePresence, {
        taskId,
        userId,
        userName,
        activity,
        cursor,
        selection,
      }),
    [convex, taskId, userId, userName],
  );
  useEffect(() => {
    const beat = () => void updateActivity();
    beat();
    const timer = setInterval(beat, 30_000);
    return () => clearInterval(timer);
  }, [updateActivity]);
  return { updateActivity };
}

export function useActivityBroadcast(taskId, userId) {
  const convex = useConvex();
  const broadcast = useCallback(
    (activityType, metadata) =>
      convex.mutation(api.presence.broadcastActivity, {
        taskId,
        userId,
        activityType,
        metadata: JSON.stringify(metadata), // the old table keeps a string
      }),
    [convex, taskId, userId],
  );
  return { broadcast };
}
