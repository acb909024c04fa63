// @ts-check
/** Headwater for AG-UI: `import { createAgentClass } from "headwater/ag-ui"`. */

export { toAgUiMessages } from "./adapters/ag_ui_messages.js";
export { connectEvents, runEvents } from "./adapters/ag_ui_run.js";
export { createAgentClass } from "./adapters/agent.js";

/** @typedef {import("./adapters/ag_ui_events.js").AgUiEvent} AgUiEvent */
/** @typedef {import("./adapters/ag_ui_run.js").RunInput} RunInput */
/** @typedef {import("./adapters/ag_ui_run.js").RunOptions} RunOptions */
