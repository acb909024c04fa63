// @ts-check
/** The tasks, live; which one is open; and a place to write the next one's title. */

import { byId, element, KeyedViews } from "./elements.js";

/** @import { Client } from "../client.js" */
/** @import { Task } from "./documents.js" */

/** Equal in every tab, so that the tabs that find no task make one together. */
const firstTaskKey = "first-task";

export class TaskList {
  #client;
  #onSelect;
  #onProblem;
  /** @type {Task[]} */
  #tasks = [];
  #selectedId = taskIdInAddress();
  /** A task that was made here may be opened before the list has it. */
  #seen = false;
  #firstAsked = false;
  /** @type {KeyedViews<Task, TaskLink>} */
  #links = new KeyedViews(
    byId("task-list", HTMLElement),
    (task) => task._id,
    () => new TaskLink(),
  );

  /**
   * @param {Client} client
   * @param {object} handlers
   * @param {(taskId: string | null, title: string) => void} handlers.onSelect Also when renamed.
   * @param {(problem: unknown) => void} handlers.onProblem
   */
  constructor(client, { onSelect, onProblem }) {
    this.#client = client;
    this.#onSelect = onSelect;
    this.#onProblem = onProblem;
    client.subscribe(
      "tasks.list",
      {},
      {
        onChange: (/** @type {Task[]} */ tasks) => this.#update(tasks),
        onError: onProblem,
      },
    );
    window.addEventListener("hashchange", () => this.#select(taskIdInAddress()));
    byId("new-task", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#create();
    });
    if (this.#selectedId) this.#select(this.#selectedId);
  }

  /** @param {Task[]} tasks */
  #update(tasks) {
    this.#tasks = tasks;
    this.#links.update(tasks);
    if (tasks.length > 0) this.#firstAsked = false;
    else void this.#createFirst();
    const present = tasks.some((task) => task._id === this.#selectedId);
    const removed = this.#seen && !present;
    this.#seen = present;
    if (!this.#selectedId || removed) return this.#open(tasks[0]?._id ?? null);
    this.#select(this.#selectedId);
  }

  /** @param {string | null} taskId */
  #select(taskId) {
    if (taskId !== this.#selectedId) this.#seen = this.#tasks.some((task) => task._id === taskId);
    this.#selectedId = taskId;
    for (const link of document.querySelectorAll("#task-list a")) {
      if (link.getAttribute("href") === `#${taskId}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    this.#onSelect(taskId, this.#tasks.find((task) => task._id === taskId)?.title ?? "");
  }

  /**
   * Select a task, and let a reload and a second tab come back to it.
   * @param {string | null} taskId
   */
  #open(taskId) {
    history.replaceState(null, "", taskId ? `#${taskId}` : location.pathname + location.search);
    this.#select(taskId);
  }

  async #create() {
    const field = byId("new-task-title", HTMLInputElement);
    const title = field.value.trim();
    if (!title) return;
    field.value = "";
    try {
      const task = await this.#client.mutation("tasks.create", { title });
      location.hash = /** @type {Task} */ (task)._id;
    } catch (error) {
      field.value ||= title;
      this.#onProblem(error);
    }
  }

  async #createFirst() {
    if (this.#firstAsked) return;
    this.#firstAsked = true;
    try {
      const options = { idempotencyKey: firstTaskKey };
      await this.#client.mutation("tasks.create", { title: "First steps" }, options);
    } catch (error) {
      this.#onProblem(error);
    }
  }
}

class TaskLink {
  #link = element("a");
  element = element("li", "", this.#link);

  /** @param {Task} task */
  update({ _id, title }) {
    this.#link.href = `#${_id}`;
    this.#link.textContent = title;
    this.#link.title = title;
  }
}

/** @returns {string | null} */
function taskIdInAddress() {
  return decodeURIComponent(location.hash.slice(1)) || null;
}
