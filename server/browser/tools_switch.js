// @ts-check
/** Whether Claude is offered tools. A server that has none to try hides the switch. */

import { byId } from "./elements.js";

/** @import { Client } from "./client.js" */
/** @import { ToolOffer } from "./documents.js" */

const storageKey = "headwater-tools";

export class ToolsSwitch {
  #input = byId("tools", HTMLInputElement);
  /** @type {ToolOffer[]} */
  #offers = [];

  /** @param {Client} client */
  constructor(client) {
    this.#input.checked = sessionStorage.getItem(storageKey) === "on";
    this.#input.addEventListener("change", () => this.#keep());
    client.subscribe(
      "sampleTools.offers",
      {},
      {
        onChange: (/** @type {ToolOffer[]} */ offers) => this.#setOffers(offers),
        onError: () => this.#setOffers([]),
      },
    );
  }

  /** What Claude is offered with the next prompt; none where the switch is off. */
  get offered() {
    return this.#input.checked ? this.#offers : [];
  }

  turnOn() {
    this.#input.checked = true;
    this.#keep();
  }

  #keep() {
    sessionStorage.setItem(storageKey, this.#input.checked ? "on" : "off");
  }

  /** @param {ToolOffer[]} offers */
  #setOffers(offers) {
    this.#offers = offers;
    const names = offers.map(({ name }) => name).join(", ");
    for (const shown of document.querySelectorAll("[data-needs-tools]")) {
      if (shown instanceof HTMLElement) shown.hidden = offers.length === 0;
    }
    this.#input.title = names;
  }
}
