// @ts-check
/** The page: tells the elements which task is open and who is here, and puts them together. */

import { client } from "./here.js";
import { HeadwaterComposer } from "../elements.js";
import { Tabs } from "../elements/tabs.js";
import { byId } from "./by_id.js";
import { ChosenTask } from "./chosen_task.js";
import { Drawers } from "./drawers.js";
import { rename, self, whenRenamed } from "./self.js";

const problem = byId("problem", HTMLElement);
const elements = [...document.querySelectorAll("*")].filter(({ localName }) =>
  localName.startsWith("headwater-"),
);
const composer = elements.find((one) => one instanceof HeadwaterComposer);
if (!(composer instanceof HeadwaterComposer)) throw new Error("The page has no composer.");

/** @param {unknown} error Null: all is well. */
function showProblem(error) {
  problem.hidden = error === null;
  problem.textContent = error instanceof Error ? error.message : "";
}

/** @param {{ userId: string, userName: string }} person */
function beThere({ userId, userName }) {
  for (const one of elements) {
    one.setAttribute("user-id", userId);
    one.setAttribute("user-name", userName);
  }
}

beThere(self());
whenRenamed((userName) => beThere({ ...self(), userName }));
document.addEventListener("headwater-rename", (event) => {
  event.preventDefault();
  rename(/** @type {CustomEvent} */ (event).detail.userName);
  beThere(self());
});

document.addEventListener("headwater-problem", (event) => {
  event.preventDefault();
  showProblem(/** @type {CustomEvent} */ (event).detail.error);
});
document.addEventListener("headwater-sent", () => showProblem(null));

const drawers = new Drawers([
  {
    className: "tasks-open",
    content: byId("tasks", HTMLElement),
    button: byId("menu", HTMLElement),
  },
  {
    className: "panel-open",
    content: byId("panel", HTMLElement),
    button: byId("panel-button", HTMLElement),
  },
]);
byId("panel-close", HTMLElement).addEventListener("click", () => drawers.close());

const tabs = new Tabs(
  "People and workspace",
  [
    { name: "people", label: "People", panel: byId("people-panel", HTMLElement) },
    { name: "workspace", label: "Workspace", panel: byId("workspace-panel", HTMLElement) },
  ],
  (name) => sessionStorage.setItem("headwater-panel", name),
);
byId("panel-head", HTMLElement).prepend(tabs.element);
tabs.select(sessionStorage.getItem("headwater-panel") === "workspace" ? "workspace" : "people");

/** @type {string | null | undefined} */
let shownTaskId;

new ChosenTask(client, {
  onProblem: showProblem,
  onChange(taskId, title) {
    byId("title", HTMLElement).textContent = taskId ? title : "Name a task to begin";
    document.title = title ? `${title} · Headwater` : "Headwater";
    if (taskId === shownTaskId) return;
    shownTaskId = taskId;
    showProblem(null);
    drawers.close();
    for (const one of elements) {
      if (taskId) one.setAttribute("task", taskId);
      else one.removeAttribute("task");
    }
    if (matchMedia("(pointer: fine)").matches) composer.focus();
  },
});

document.addEventListener("headwater-tools", (event) => {
  const { names } = /** @type {CustomEvent} */ (event).detail;
  for (const shown of document.querySelectorAll("[data-needs-tools]")) {
    if (shown instanceof HTMLElement) shown.hidden = names.length === 0;
  }
});
byId("suggestions", HTMLElement).addEventListener("click", ({ target }) => {
  if (!(target instanceof HTMLButtonElement)) return;
  composer.suggest(target.textContent ?? "", { withTools: target.dataset.tools !== undefined });
});

addEventListener("keydown", (event) => {
  // Escape that ends a composition throws a word away, it stops nothing.
  if (event.key === "Escape" && !event.isComposing) void composer.stop();
});

// The fragment of the address names the task, so this link must not change it.
byId("skip", HTMLElement).addEventListener("click", (event) => {
  event.preventDefault();
  composer.focus();
});

const standin = document.querySelector('meta[name="headwater-standin"]');
byId("standin", HTMLElement).hidden = standin?.getAttribute("content") !== "true";
