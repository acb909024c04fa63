// @ts-check
/** Whether Claude is offered tools: those to try, and those of the task's workspace, if it has one. */

import { element } from "./dom.js";

/** @import { Client } from "../client.js" */
/** @import { ToolOffer, WorkspaceHealth } from "../client/documents.js" */

const storageKey = "headwater-tools";

export class ToolsSwitch {
  #input = element("input");
  element = element("label", "switch", this.#input, " Tools");
  #onChange;
  /** @type {ToolOffer[]} */
  #samples = [];
  /** @type {ToolOffer[]} */
  #ofWorkspace = [];

  /** @param {(names: string[]) => void} onChange Told which tools there are. */
  constructor(onChange) {
    this.#onChange = onChange;
    this.#input.type = "checkbox";
    this.#input.role = "switch";
    this.#input.checked = sessionStorage.getItem(storageKey) === "on";
    this.#input.addEventListener("change", () => this.#keep());
    this.element.hidden = true;
  }

  /**
   * @param {Client} client
   * @param {string} taskId Whose workspace is asked for its tools.
   * @returns {() => void} Ends it.
   */
  follow(client, taskId) {
    const endings = [
      client.subscribe(
        "sampleTools.offers",
        {},
        {
          onChange: (/** @type {ToolOffer[]} */ offers) => this.#setSamples(offers),
          onError: () => this.#setSamples([]),
        },
      ),
      client.subscribe(
        "tasks.getWorkspaceStatus",
        { taskId },
        {
          onChange: (/** @type {WorkspaceHealth} */ { status, tools }) =>
            this.#setOfWorkspace(status === "gone" ? [] : (tools ?? [])),
          onError: () => this.#setOfWorkspace([]),
        },
      ),
    ];
    return () => {
      for (const end of endings) end();
      this.#setOfWorkspace([]);
    };
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
    const names = this.#all.map(({ name }) => name);
    this.element.hidden = names.length === 0;
    this.#input.title = names.join(", ");
    this.#onChange(names);
  }
}
