// @ts-check
/**
 * `<headwater-tasks task="…">`: the tasks, live, with a place to write the next one's title.
 *
 * `task` is the one that is open. Tasks are links to `#<task>`.
 *
 *     headwater-select    {taskId}: a new task was made, and is to be opened; by default the
 *                         address's fragment becomes its id
 */

import { element, icon } from "./dom.js";
import { HeadwaterElement } from "./headwater_element.js";
import { KeyedViews } from "./keyed_views.js";

/** @import { Task } from "../client/documents.js" */

export class HeadwaterTasks extends HeadwaterElement {
  static needsTask = false;
  static sheets = [new URL("./tasks.css", import.meta.url).href];

  #title = element("input");
  #list = element("ul", "task-list");
  /** @type {KeyedViews<Task, TaskLink>} */
  #links = new KeyedViews(
    this.#list,
    (task) => task._id,
    () => new TaskLink(),
  );

  build() {
    this.#title.placeholder = "New task";
    this.#title.ariaLabel = "Title of a new task";
    this.#title.maxLength = 200;
    this.#title.autocomplete = "off";
    this.#title.required = true;
    const button = element("button", "", icon("M8 3v10M3 8h10"));
    button.ariaLabel = button.title = "Create the task";
    const form = element("form", "new-task", this.#title, button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#create();
    });
    const nav = element("nav", "", this.#list);
    nav.ariaLabel = "Tasks";
    this.replaceChildren(form, nav);
  }

  start() {
    this.follow("tasks.list", {}, (/** @type {Task[]} */ tasks) => {
      this.#links.update(tasks);
      this.#mark();
    });
  }

  #mark() {
    for (const { id, link } of this.#links.all()) {
      if (id === this.taskId) link.ariaCurrent = "page";
      else link.ariaCurrent = null;
    }
  }

  async #create() {
    const title = this.#title.value.trim();
    if (!title) return;
    this.#title.value = "";
    const created = this.client.mutation("tasks.create", { title });
    if (!(await this.told(created))) return void (this.#title.value ||= title);
    const { _id: taskId } = /** @type {Task} */ (await created);
    if (this.emit("headwater-select", { taskId }, { cancelable: true })) location.hash = taskId;
  }
}

class TaskLink {
  link = element("a");
  element = element("li", "", this.link);
  id = "";

  /** @param {Task} task */
  update({ _id, title }) {
    this.id = _id;
    this.link.href = `#${_id}`;
    this.link.textContent = this.link.title = title;
  }
}
