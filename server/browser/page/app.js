// @ts-check
/** The page: puts the client and the views together. */

import { createClient } from "../client.js";
import { Composer } from "./composer.js";
import { ConversationView } from "./conversation_view.js";
import { byId } from "./elements.js";
import { TaskList } from "./task_list.js";

/** @import { ConnectionState } from "../client.js" */

/** @type {Record<ConnectionState, string>} */
const connectionNames = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  closed: "Disconnected",
};

const client = createClient();
const problem = byId("problem", HTMLElement);

/** @param {unknown} error Null: all is well. */
function showProblem(error) {
  problem.hidden = error === null;
  problem.textContent = error instanceof Error ? error.message : "";
}

const composer = new Composer(client, {
  onSend: () => conversation.follow(),
  onProblem: showProblem,
});

const conversation = new ConversationView(client, {
  onProblem: showProblem,
  onRunning: (messageId) => composer.setRunning(messageId),
});

/** @type {string | null | undefined} */
let shownTaskId;

/** @param {boolean} open */
function setTasksOpen(open) {
  document.body.classList.toggle("tasks-open", open);
  byId("menu", HTMLButtonElement).setAttribute("aria-expanded", String(open));
  byId("scrim", HTMLButtonElement).hidden = !open;
}

new TaskList(client, {
  onProblem: showProblem,
  onSelect(taskId, title) {
    byId("title", HTMLElement).textContent = taskId ? title : "Name a task to begin";
    document.title = title ? `${title} · Headwater` : "Headwater";
    if (taskId === shownTaskId) return;
    shownTaskId = taskId;
    showProblem(null);
    setTasksOpen(false);
    composer.setTask(taskId);
    conversation.show(taskId);
    if (matchMedia("(pointer: fine)").matches) byId("prompt", HTMLTextAreaElement).focus();
  },
});

client.connectionState.subscribe((state) => {
  const connection = byId("connection", HTMLElement);
  connection.dataset.state = state;
  connection.textContent = connectionNames[state];
});

byId("menu", HTMLButtonElement).addEventListener("click", () => {
  setTasksOpen(!document.body.classList.contains("tasks-open"));
});
byId("scrim", HTMLButtonElement).addEventListener("click", () => setTasksOpen(false));
window.addEventListener("keydown", (event) => {
  // Escape that ends a composition throws a word away, it stops nothing.
  if (event.key !== "Escape" || event.isComposing) return;
  if (!document.body.classList.contains("tasks-open")) return void composer.stop();
  setTasksOpen(false);
  byId("menu", HTMLButtonElement).focus();
});

// The fragment of the address names the task, so this link must not change it.
byId("skip", HTMLAnchorElement).addEventListener("click", (event) => {
  event.preventDefault();
  byId("prompt", HTMLTextAreaElement).focus();
});

const standin = document.querySelector('meta[name="headwater-standin"]');
byId("standin", HTMLElement).hidden = standin?.getAttribute("content") !== "true";
