// An application of the hooks, in StrictMode: a chat of several people, and a list in pages.

import { createClient } from "headwater";
import {
  HeadwaterProvider,
  useActiveUsers,
  useChatStreaming,
  useConnectionState,
  useIds,
  useItem,
  usePaginatedQuery,
  usePresence,
  useRecentActivities,
  useSuspenseQuery,
} from "headwater/react";
import { memo, StrictMode, Suspense, useState } from "react";
import { createRoot } from "react-dom/client";

const parameters = new URLSearchParams(location.search);
const taskId = parameters.get("task");
const user = parameters.get("user");

/** How often each component was rendered. */
const renders = (window.renders = {});
const count = (name) => (renders[name] = (renders[name] ?? 0) + 1);

const Message = memo(({ id }) => {
  count(id);
  const message = useItem("messages.byTask", { taskId }, id);
  const text = message?.parts.map((part) => part.text ?? "").join("");
  return (
    <li data-role={message?.role} data-status={message?.status}>
      <div className="parts">{text}</div>
    </li>
  );
});

function Messages() {
  count("messages");
  return (
    <ol id="messages">
      {useIds("messages.byTask", { taskId }).map((id) => (
        <Message key={id} id={id} />
      ))}
    </ol>
  );
}

function Composer({ updateActivity }) {
  count("composer");
  const { isStreaming, startStream, cancelStream, resumeStream } = useChatStreaming();
  const [prompt, setPrompt] = useState("");
  return (
    <form
      data-streaming={isStreaming}
      onSubmit={(event) => {
        event.preventDefault();
        setPrompt("");
        void startStream({ taskId, prompt, model: undefined, apiKeys: { openai: "unused" } });
      }}
    >
      <input
        id="prompt"
        value={prompt}
        onChange={(event) => {
          setPrompt(event.target.value);
          updateActivity("typing");
        }}
      />
      <button>Send</button>
      <button type="button" onClick={() => void cancelStream()}>Stop</button>
      <button type="button" onClick={() => void resumeStream()}>Go on</button>
    </form>
  );
}

function People() {
  const people = useActiveUsers(taskId);
  const activities = useRecentActivities(taskId);
  return (
    <>
      <ul id="people">
        {people.map(({ _id, userName, activity }) => (
          <li key={_id}>{userName} {activity}</li>
        ))}
      </ul>
      <ul id="activities">
        {activities.map(({ _id, userId, activityType }) => (
          <li key={_id}>{userId} {activityType}</li>
        ))}
      </ul>
    </>
  );
}

function Chat() {
  const { updateActivity } = usePresence(taskId, user, user);
  const task = useSuspenseQuery("tasks.get", { taskId });
  return (
    <>
      <h1>{task.title}</h1>
      <p id="connection">{useConnectionState()}</p>
      <Messages />
      <Composer updateActivity={updateActivity} />
      <People />
    </>
  );
}

function Lines({ book }) {
  const { results, status, loadMore } = usePaginatedQuery(
    "pagedApp.lines",
    { book },
    { initialNumItems: 4 },
  );
  return (
    <>
      <p id="lines" data-status={status}>{results.map(({ number }) => number).join(" ")}</p>
      <button onClick={() => loadMore(4)}>More</button>
    </>
  );
}

const client = createClient();
createRoot(document.querySelector("#root")).render(
  <StrictMode>
    <HeadwaterProvider client={client}>
      {taskId && (
        <Suspense fallback={<h1>Loading</h1>}>
          <Chat />
        </Suspense>
      )}
      {parameters.has("book") && <Lines book={parameters.get("book")} />}
    </HeadwaterProvider>
  </StrictMode>,
);
