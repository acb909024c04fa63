// One component of the application. Which system it lives on is said by `realtime.js` alone.

import { ConvexProvider } from "convex/react";
import { createClient, setDefaultClient } from "headwater";
import { convex } from "./old_client.js";
import {
  useActiveUsers,
  useActivityBroadcast,
  useChatStreaming,
  useMessages,
  usePresence,
  useRecentActivities,
} from "./realtime.js";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";

/** A message of either system: one has its text in a field, the other in parts. */
const textOf = ({ content, parts }) =>
  content ?? parts.filter(({ type }) => type === "text").map(({ text }) => text).join("");

function Panel({ taskId, userId, userName }) {
  const messages = useMessages(taskId) ?? [];
  const people = useActiveUsers(taskId) ?? [];
  const activities = useRecentActivities(taskId) ?? [];
  const { startStream } = useChatStreaming();
  const { updateActivity } = usePresence(taskId, userId, userName);
  const { broadcast } = useActivityBroadcast(taskId, userId);
  const ask = (event) => {
    event.preventDefault();
    void startStream({ taskId, prompt: event.target.prompt.value, apiKeys: {} });
  };
  return (
    <>
      <ol className="messages">
        {messages.map((one) => (
          <li key={one._id}>{`${one.role.toLowerCase()}: ${textOf(one)}`}</li>
        ))}
      </ol>
      <ul className="people">
        {people
          .map((one) => `${one.userName} ${one.activity}`)
          .sort()
          .map((one) => (
            <li key={one}>{one}</li>
          ))}
      </ul>
      <ul className="activities">
        {activities
          .filter(({ activityType }) => activityType.startsWith("file-"))
          .map((one) => (
            <li key={one._id}>{`${one.userId} ${one.activityType}`}</li>
          ))}
      </ul>
      <form onSubmit={ask}>
        <input name="prompt" />
      </form>
      <button className="edit" onClick={() => updateActivity("editing-file")} />
      <button className="save" onClick={() => broadcast("file-saved", { filePath: "a.py" })} />
    </>
  );
}

export function mount(element, url, props) {
  setDefaultClient(createClient({ url }));
  createRoot(element).render(
    <StrictMode>
      <ConvexProvider client={convex}>
        <Panel {...props} />
      </ConvexProvider>
    </StrictMode>,
  );
}
