// @ts-check
/**
 * `<headwater-tool-logs task="…">`: runs of tools in a task's workspace, newest first.
 * `limit` (200) is how many are shown.
 */

import { clockTime, duration } from "./clock.js";
import { element, setText } from "./dom.js";
import { FoldedValue } from "./folded_value.js";
import { HeadwaterElement } from "./headwater_element.js";
import { KeyedViews } from "./keyed_views.js";

/** @import { Client } from "../client.js" */
/** @import { ToolLog } from "../client/documents.js" */

export class HeadwaterToolLogs extends HeadwaterElement {
  static sheets = [
    new URL("./tool.css", import.meta.url).href,
    new URL("./tool_logs.css", import.meta.url).href,
  ];
  static observedAttributes = [...HeadwaterElement.observedAttributes, "limit"];

  #list = element("ul", "logs");
  #none = element("p", "more", "No tool has run.");
  /** @type {KeyedViews<ToolLog, LogView>} */
  #views = new KeyedViews(
    this.#list,
    (log) => log._id,
    () => new LogView(),
  );

  build() {
    this.#list.role = "list";
    this.#list.ariaLabel = "Runs of tools, newest first";
    this.replaceChildren(this.#list, this.#none);
  }

  clear() {
    this.#views.update([]);
    this.#none.hidden = true;
  }

  /**
   * @param {Client} _client
   * @param {string} taskId
   */
  start(_client, taskId) {
    const limit = Number(this.getAttribute("limit")) || undefined;
    this.follow("toolLogs.byTask", { taskId, limit }, (/** @type {ToolLog[]} */ logs) => {
      this.#views.update(logs.toReversed());
      this.#none.hidden = logs.length > 0;
    });
  }
}

class LogView {
  #name = element("code", "tool-name");
  #state = element("span", "tool-state");
  #time = element("time");
  #input = new FoldedValue("Input");
  #output = new FoldedValue("Output");
  #error = element("p", "tool-error");
  element = element(
    "li",
    "tool",
    element("p", "tool-head", this.#name, this.#state, this.#time),
    this.#input.element,
    this.#output.element,
    this.#error,
  );

  /** @param {ToolLog} log */
  update({ toolName, status, input, output, error, durationMs, createdAt }) {
    this.element.dataset.state = status;
    setText(this.#name, toolName);
    setText(this.#state, stateOf(status, durationMs));
    this.#time.dateTime = new Date(createdAt).toISOString();
    setText(this.#time, clockTime(createdAt));
    this.#input.update(input ?? "", false);
    this.#output.update(output ?? "", false);
    setText(this.#error, error ?? "");
    this.#error.hidden = !error;
  }
}

/**
 * @param {ToolLog["status"]} status
 * @param {number | null | undefined} durationMs
 */
function stateOf(status, durationMs) {
  if (status === "RUNNING") return "Running";
  const took = durationMs == null ? "" : ` in ${duration(durationMs)}`;
  return status === "COMPLETED" ? `Done${took}` : `Failed${took}`;
}
