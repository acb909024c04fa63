// @ts-check
/** Which task is open: the address says; else the newest; and where there is none, one is made. */

/** @import { Client } from "../client.js" */
/** @import { Task } from "../client/documents.js" */

/** Equal in every tab, so that the tabs that find no task make one together. */
const firstTaskKey = "first-task";

export class ChosenTask {
  #client;
  #onChange;
  #onProblem;
  /** @type {Task[]} */
  #tasks = [];
  #id = idInAddress();
  /** A task that was made here may be opened before the list has it. */
  #seen = false;
  #firstAsked = false;

  /**
   * @param {Client} client
   * @param {object} handlers
   * @param {(taskId: string | null, title: string) => void} handlers.onChange Also when renamed.
   * @param {(problem: unknown) => void} handlers.onProblem
   */
  constructor(client, { onChange, onProblem }) {
    this.#client = client;
    this.#onChange = onChange;
    this.#onProblem = onProblem;
    client.subscribe(
      "tasks.list",
      {},
      {
        onChange: (/** @type {Task[]} */ tasks) => this.#update(tasks),
        onError: onProblem,
      },
    );
    addEventListener("hashchange", () => this.#choose(idInAddress()));
    if (this.#id) this.#choose(this.#id);
  }

  /** @param {Task[]} tasks */
  #update(tasks) {
    this.#tasks = tasks;
    if (tasks.length > 0) this.#firstAsked = false;
    else void this.#createFirst();
    const present = tasks.some((task) => task._id === this.#id);
    const removed = this.#seen && !present;
    this.#seen = present;
    if (!this.#id || removed) return this.#open(tasks[0]?._id ?? null);
    this.#choose(this.#id);
  }

  /** @param {string | null} taskId */
  #choose(taskId) {
    if (taskId !== this.#id) this.#seen = this.#tasks.some((task) => task._id === taskId);
    this.#id = taskId;
    this.#onChange(taskId, this.#tasks.find((task) => task._id === taskId)?.title ?? "");
  }

  /**
   * Choose a task, and let a reload and a second tab come back to it.
   * @param {string | null} taskId
   */
  #open(taskId) {
    history.replaceState(null, "", taskId ? `#${taskId}` : location.pathname + location.search);
    this.#choose(taskId);
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

/** @returns {string | null} */
function idInAddress() {
  return decodeURIComponent(location.hash.slice(1)) || null;
}
