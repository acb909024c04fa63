// @ts-check
/**
 * `<headwater-workspace task="…">`: a task's workspace: its health, and in tabs its changes of
 * files, the runs of its tools, and its terminal. What is in no tab that is shown is not followed.
 */

import { element } from "./dom.js";
import { HeadwaterFiles } from "./files.js";
import { HeadwaterElement } from "./headwater_element.js";
import { HeadwaterHealth } from "./health.js";
import { Tabs } from "./tabs.js";
import { HeadwaterTerminal } from "./terminal.js";
import { HeadwaterToolLogs } from "./tool_logs.js";

/** @import { Client } from "../client.js" */

/** @typedef {{ _id: string, updatedAt?: number }} Newest */

/** What each tab shows, and the query that tells whether there is such a thing. */
const panes = [
  { name: "files", label: "Files", query: "fileChanges.byTask", Pane: HeadwaterFiles },
  { name: "tools", label: "Tools", query: "toolLogs.byTask", Pane: HeadwaterToolLogs },
  { name: "terminal", label: "Terminal", query: "terminalOutput.byTask", Pane: HeadwaterTerminal },
];

export class HeadwaterWorkspace extends HeadwaterElement {
  static sheets = [
    new URL("./tabs.css", import.meta.url).href,
    new URL("./workspace.css", import.meta.url).href,
  ];

  #health = new HeadwaterHealth();
  #panes = panes.map(({ Pane, ...about }) => {
    const pane = new Pane();
    return { ...about, pane, panel: element("div", "pane", pane) };
  });
  #tabs = new Tabs("Workspace", this.#panes, (name) => this.#show(name));

  build() {
    this.replaceChildren(
      this.#health,
      this.#tabs.element,
      ...this.#panes.map(({ panel }) => panel),
    );
    this.#tabs.select("files");
  }

  clear() {
    this.#show(this.#tabs.selected);
  }

  /**
   * @param {Client} client
   * @param {string} taskId
   */
  start(client, taskId) {
    for (const { name, query } of this.#panes) {
      /** @type {string | undefined} */
      let before;
      const unsubscribe = client.subscribe(
        query,
        { taskId, limit: 1 },
        {
          onChange: (/** @type {Newest[]} */ [newest]) => {
            this.#tabs.offer(name, true);
            const now = newest?._id ?? "";
            if (before !== undefined && now !== before) this.#tabs.mark(name, true);
            before = now;
          },
          onError: ({ code }) => this.#tabs.offer(name, code !== "unknown_function"),
        },
      );
      this.whenStopped(unsubscribe);
    }
  }

  /** @param {string} shown The name of the tab that is shown. */
  #show(shown) {
    const { taskId, client } = this;
    for (const { name, pane } of [{ name: shown, pane: this.#health }, ...this.#panes]) {
      pane.client = client;
      if (name === shown && taskId) pane.setAttribute("task", taskId);
      else pane.removeAttribute("task");
    }
  }
}
