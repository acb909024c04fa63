// @ts-check
/**
 * `<headwater-terminal task="…">`: what commands write in a task's workspace, as it comes, followed
 * to its end. The newest output is there at first; older output when it is asked for.
 */

import { element } from "./dom.js";
import { followEnd } from "./follow_end.js";
import { HeadwaterElement } from "./headwater_element.js";
import { KeyedViews } from "./keyed_views.js";
import { segmentsAtFirst, segmentsMax } from "./limits.js";
import { SegmentView } from "./terminal_segment.js";

/** @import { Client } from "../client.js" */
/** @import { TerminalSegment, ToolLog } from "../client/documents.js" */

export class HeadwaterTerminal extends HeadwaterElement {
  static sheets = [new URL("./terminal.css", import.meta.url).href];

  #segments = element("div", "segments");
  #earlier = element("button", "earlier", "Earlier output");
  #none = element("p", "more", "Nothing has been written.");
  #scroller = element("div", "screen", this.#earlier, this.#segments, this.#none);
  #end = followEnd(this.#scroller, this.#segments);
  #limit = segmentsAtFirst;
  /** @type {TerminalSegment[]} */
  #shown = [];
  /** @type {Map<string, string>} What was run, by the command's id. */
  #commands = new Map();
  /** @type {KeyedViews<TerminalSegment, SegmentView>} */
  #views = new KeyedViews(
    this.#segments,
    (segment) => segment._id,
    () => new SegmentView(),
  );

  build() {
    this.#earlier.type = "button";
    this.#earlier.hidden = true;
    this.#earlier.addEventListener("click", () => {
      this.#limit = Math.min(segmentsMax, this.#limit * 3);
      this.#scroller.focus();
      this.restart();
    });
    // Output may come fast, and none of it is meant to be read aloud by itself.
    this.#scroller.role = "region";
    this.#scroller.ariaLabel = "Terminal";
    this.#scroller.tabIndex = 0;
    this.replaceChildren(this.#scroller, this.#end.button);
  }

  clear() {
    this.#limit = segmentsAtFirst;
    this.#commands.clear();
    this.#show([]);
    this.#none.hidden = true;
    this.#end.follow();
  }

  /**
   * @param {Client} client
   * @param {string} taskId
   */
  start(client, taskId) {
    const limit = this.#limit;
    this.follow(
      "terminalOutput.byTask",
      { taskId, limit },
      (/** @type {TerminalSegment[]} */ segments) => {
        this.#show(segments);
        this.#none.hidden = segments.length > 0;
        this.#earlier.hidden = segments.length < limit || limit >= segmentsMax;
      },
    );
    // A workspace names a command by its run's log. Another may not, or have no logs.
    const unsubscribe = client.subscribe(
      "toolLogs.byTask",
      { taskId, limit: undefined },
      {
        onChange: (/** @type {ToolLog[]} */ logs) => {
          this.#commands = new Map(logs.map(({ _id, input }) => [_id, commandOf(input)]));
          this.#nameCommands();
        },
        onError: () => {},
      },
    );
    this.whenStopped(unsubscribe);
  }

  /** @param {TerminalSegment[]} segments */
  #show(segments) {
    this.#shown = segments;
    this.#views.update(segments);
    this.#nameCommands();
  }

  #nameCommands() {
    let before = "";
    for (const { _id, commandId } of this.#shown) {
      const command = commandId === before ? "" : (this.#commands.get(commandId) ?? "");
      this.#views.get(_id)?.setCommand(command);
      before = commandId;
    }
  }
}

/** @param {string | null | undefined} input The arguments of a run, as JSON, perhaps cut. */
function commandOf(input) {
  try {
    const { command } = JSON.parse(input ?? "");
    return typeof command === "string" ? command : "";
  } catch {
    return "";
  }
}
