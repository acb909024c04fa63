// @ts-check
/** Whether Claude is offered tools: those to try, and those of the task's workspace, if it has one. */

import { byId } from "./elements.js";

/** @import { Client } from "../client.js" */
/** @import { ToolOffer, WorkspaceHealth } from "./documents.js" */

const storageKey = "headwater-tools";

export class ToolsSwitch {
  #input = byId("tools", HTMLInputElement);
  #client;
  /** @type {ToolOffer[]} */
  #samples = [];
  /** @type {ToolOffer[]} */
  #ofWorkspace = [];
  #leave = () => {};

  /** @param {Client} client */
  constructor(client) {
    this.#client = client;
    this.#input.checked = sessionStorage.getItem(storageKey) === "on";
    this.#input.addEventListener("change", () => this.#keep());
    client.subscribe(
      "sampleTools.offers",
      {},
      {
        onChange: (/** @type {ToolOffer[]} */ offers) => this.#setSamples(offers),
        onError: () => this.#setSamples([]),
      },
    );
  }

  /** @param {string | null} taskId Whose workspace is asked for its tools. */
  setTask(taskId) {
    this.#leave();
    this.#leave = () => {};
    this.#setOfWorkspace([]);
    if (taskId === null) return;
    this.#leave = this.#client.subscribe(
      "tasks.getWorkspaceStatus",
      { taskId },
      {
        onChange: (/** @type {WorkspaceHealth} */ { status, tools }) =>
          this.#setOfWorkspace(status === "gone" ? [] : (tools ?? [])),
        onError: () => this.#setOfWorkspace([]),
      },
    );
  }

  /** What Claude is offered with the next prompt; none where the switch is off. */
  get offered() {
    return this.#input.checked ? this.#all : [];
  }

  get #all() {
    return [...this.#samples, ...this.#ofWorkspace];
  }

  turnOn() {
    this.#input.checked = true;
    this.#keep();
  }

  #keep() {
    sessionStorage.setItem(storageKey, this.#input.checked ? "on" : "off");
  }

  /** @param {ToolOffer[]} offers */
  #setSamples(offers) {
    this.#samples = offers;
    this.#show();
  }

  /** @param {ToolOffer[]} offers */
  #setOfWorkspace(offers) {
    this.#ofWorkspace = offers;
    this.#show();
  }

  #show() {
    const offers = this.#all;
    const names = offers.map(({ name }) => name).join(", ");
    for (const shown of document.querySelectorAll("[data-needs-tools]")) {
      if (shown instanceof HTMLElement) shown.hidden = offers.length === 0;
    }
    this.#input.title = names;
  }
}
