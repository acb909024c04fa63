// A chat by the AI SDK's useChat, in StrictMode, that may be unmounted and mounted again.

import { useChat } from "@ai-sdk/react";
import { createClient } from "headwater";
import { HeadwaterChatTransport, toUIMessages } from "headwater/ai-sdk";
import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";

const taskId = new URLSearchParams(location.search).get("task");
const client = createClient();
const transport = new HeadwaterChatTransport({ client });
const history = async () => toUIMessages(await client.query("messages.byTask", { taskId }));

function Chat({ before }) {
  const { messages, sendMessage, regenerate, status } = useChat({
    id: taskId,
    messages: before,
    transport,
    resume: true,
  });
  const [prompt, setPrompt] = useState("");
  return (
    <form
      data-status={status}
      onSubmit={(event) => {
        event.preventDefault();
        setPrompt("");
        void sendMessage({ text: prompt });
      }}
    >
      <ol>
        {messages.map(({ id, role, metadata, parts }) => (
          <li key={id} data-role={role} data-status={metadata?.status}>
            <div className="parts">{parts.map((part) => part.text ?? "").join("")}</div>
          </li>
        ))}
      </ol>
      <input id="prompt" value={prompt} onChange={(event) => setPrompt(event.target.value)} />
      <button type="button" onClick={() => void transport.cancel(taskId)}>
        Stop
      </button>
      <button type="button" onClick={() => void regenerate()}>
        Go on
      </button>
    </form>
  );
}

function App({ first }) {
  const [before, setBefore] = useState(first);
  const toggle = async () => setBefore(before ? undefined : await history());
  return (
    <>
      {before && <Chat before={before} />}
      <button onClick={() => void toggle()}>Toggle</button>
    </>
  );
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <App first={await history()} />
  </StrictMode>,
);
