// A conversation by the React hooks, which counts the frames that are drawn and what renders.

import { createClient } from "headwater";
import { HeadwaterProvider, useIds, useItem } from "headwater/react";
import { memo } from "react";
import { createRoot } from "react-dom/client";

const args = { taskId: new URLSearchParams(location.search).get("task"), limit: 1_000 };
const renders = {};

const Message = memo(({ id }) => {
  renders[id] = (renders[id] ?? 0) + 1;
  const message = useItem("messages.byTask", args, id);
  return (
    <li>
      {message.role}
      {message.parts.map((part, index) => (
        <p key={index}>{part.text}</p>
      ))}
    </li>
  );
});

function Conversation() {
  const ids = useIds("messages.byTask", args);
  return (
    <ol id="messages" data-count={ids.length}>
      {ids.map((id) => (
        <Message key={id} id={id} />
      ))}
    </ol>
  );
}

createRoot(document.querySelector("#root")).render(
  <HeadwaterProvider client={createClient()}>
    <Conversation />
  </HeadwaterProvider>,
);

/** The times between the frames of some seconds, in milliseconds, and what rendered meanwhile. */
window.observe = async (seconds) => {
  document.querySelector("li:last-child").scrollIntoView({ block: "end" });
  const before = { ...renders };
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const times = [await frame()];
  while (times.at(-1) - times[0] < seconds * 1_000) times.push(await frame());
  const rendered = Object.keys(renders).filter((id) => renders[id] !== before[id]);
  return {
    intervals: times.slice(1).map((time, index) => time - times[index]),
    rendered,
    renders: rendered.reduce((sum, id) => sum + renders[id] - before[id], 0),
  };
};
