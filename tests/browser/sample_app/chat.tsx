// The same chat with React. Compiled by `tsc --strict`; never run.
import { createClient } from "headwater";
import { HeadwaterProvider, useAction, useMutation, useQuery, useSuspenseQuery } from "headwater/react";
import { useState } from "react";
import { textOf } from "./chat.js";
import { api, type Doc, type Id } from "./headwater/api.js";

const client = createClient();

function Message({ message }: { message: Doc<"chatMessages"> }) {
  return <li data-status={message.status}>{textOf(message)}</li>;
}

function Conversation({ taskId }: { taskId: Id<"tasks"> }) {
  const { data, status } = useQuery(api.messages.byTask, { taskId });
  const counted = useQuery(api.messages.byTask, { taskId }, { select: (all) => all.length });
  const many: number | undefined = counted.data;
  const ask = useAction(api.streaming.streamChat);
  const remove = useMutation(api.tasks.remove);
  if (status === "pending") return <p>…</p>;
  return (
    <section>
      <h2>{many}</h2>
      <ul>{data?.map((message) => <Message key={message._id} message={message} />)}</ul>
      <button onClick={() => ask({ taskId, prompt: "Go on." }).then((begun) => begun.messageId)} />
      <button onClick={() => remove({ taskId })} />
    </section>
  );
}

function Tasks() {
  const tasks = useSuspenseQuery(api.tasks.list, {});
  const [open, setOpen] = useState<Id<"tasks">>();
  const { data } = useQuery(api.tasks.get, open ? { taskId: open } : "skip");
  return (
    <main>
      {tasks.map((task) => (
        <button key={task._id} onClick={() => setOpen(task._id)}>
          {task.title}
        </button>
      ))}
      <h1>{data?.title}</h1>
      {open && <Conversation taskId={open} />}
    </main>
  );
}

export function App() {
  return (
    <HeadwaterProvider client={client}>
      <Tasks />
    </HeadwaterProvider>
  );
}

// What must not compile.

export function Wrong({ task }: { task: Doc<"tasks"> }) {
  // @ts-expect-error: an id of another table
  useQuery(api.messages.get, { messageId: task._id });
  // @ts-expect-error: a mutation is no query
  useQuery(api.tasks.create, { title: "x" });
  // @ts-expect-error: a query is no mutation
  useMutation(api.tasks.get);
  // @ts-expect-error: a mutation is no action
  useAction(api.tasks.create);
  const remove = useMutation(api.tasks.remove);
  // @ts-expect-error: an argument is missing
  void remove({});
  const { data } = useQuery(api.tasks.get, { taskId: task._id });
  // @ts-expect-error: it may be loading, and there may be none
  return <p>{data.title}</p>;
}
