// @ts-check
/** `<headwater-health task="…">`: how well a task's workspace is, and what it says of itself. */

import { clockTime } from "./clock.js";
import { element, setText } from "./dom.js";
import { HeadwaterElement } from "./headwater_element.js";

/** @import { Client } from "../client.js" */
/** @import { WorkspaceHealth } from "../client/documents.js" */

export class HeadwaterHealth extends HeadwaterElement {
  static sheets = [new URL("./health.css", import.meta.url).href];

  #state = element("p", "state");
  #message = element("p", "message-of-health");
  #where = element("p", "where");
  #tools = element("p", "offers");
  #start = element("code", "start");

  build() {
    this.#state.role = "status";
    this.replaceChildren(this.#state, this.#message, this.#where, this.#tools, this.#start);
    this.clear();
  }

  clear() {
    delete this.dataset.health;
    for (const line of [this.#state, this.#message, this.#where, this.#tools, this.#start]) {
      setText(line, "");
      line.hidden = true;
    }
  }

  /**
   * @param {Client} _client
   * @param {string} taskId
   */
  start(_client, taskId) {
    setText(this.#start, `headwater sidecar --task ${taskId} --dir .`);
    this.follow("tasks.getWorkspaceStatus", { taskId }, (/** @type {WorkspaceHealth} */ health) =>
      this.#show(health),
    );
  }

  /** @param {WorkspaceHealth} health */
  #show({ status, said, host, directory, pid, version, message, tools, lastSeenAt }) {
    const isKnown = Boolean(said);
    this.dataset.health = isKnown ? status : "none";
    const names = (tools ?? []).map(({ name }) => name).join(", ");
    const at = [host, directory].filter(Boolean).join(":");
    const details = [at, version && `version ${version}`, pid != null && `process ${pid}`];
    const since = lastSeenAt ? `, last heard of at ${clockTime(lastSeenAt)}` : "";
    const state = { healthy: "Healthy", degraded: "Degraded", gone: `Gone${since}` }[status];
    const lines = /** @type {const} */ ([
      [this.#state, isKnown ? (state ?? status) : "No workspace"],
      [this.#message, isKnown ? message : "None has worked for this task. This starts one:"],
      [this.#where, details.filter(Boolean).join(" · ")],
      [this.#tools, names && status !== "gone" ? `Tools: ${names}` : ""],
    ]);
    for (const [line, text] of lines) {
      setText(line, text ?? "");
      line.hidden = !text;
    }
    this.#start.hidden = isKnown;
  }
}
