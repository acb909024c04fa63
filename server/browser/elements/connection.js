// @ts-check
/** `<headwater-connection>`: whether what is shown is live. */

import { setText } from "./dom.js";
import { HeadwaterElement } from "./headwater_element.js";

/** @import { Client, ConnectionState } from "../client.js" */

/** @type {Record<ConnectionState, string>} */
const names = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  closed: "Disconnected",
};

export class HeadwaterConnection extends HeadwaterElement {
  static needsTask = false;
  static sheets = [new URL("./connection.css", import.meta.url).href];

  build() {
    this.role = "status";
  }

  /** @param {Client} client */
  start({ connectionState }) {
    const unsubscribe = connectionState.subscribe((state) => {
      this.dataset.state = state;
      setText(this, names[state]);
    });
    this.whenStopped(unsubscribe);
  }
}
