// @ts-check
/** `<headwater-avatars task="…" max="4">`: who is in a task, by their pictures alone. */

import { Avatar } from "./avatar.js";
import { element, setText } from "./dom.js";
import { HeadwaterElement } from "./headwater_element.js";
import { KeyedViews } from "./keyed_views.js";

/** @import { Client } from "../client.js" */
/** @import { Person } from "../client/documents.js" */

const shownMax = 4;

export class HeadwaterAvatars extends HeadwaterElement {
  static sheets = [new URL("./people.css", import.meta.url).href];

  #row = element("span", "avatars");
  #more = element("span", "more");
  /** @type {KeyedViews<Person, Avatar>} */
  #views = new KeyedViews(
    this.#row,
    (person) => person._id,
    () => new Avatar(),
  );

  build() {
    this.role = "img";
    this.replaceChildren(this.#row, this.#more);
    this.clear();
  }

  clear() {
    this.#show([]);
  }

  /**
   * @param {Client} _client
   * @param {string} taskId
   */
  start(_client, taskId) {
    this.follow("presence.getActiveUsers", { taskId }, (/** @type {Person[]} */ people) =>
      this.#show(people),
    );
  }

  /** @param {Person[]} people */
  #show(people) {
    const room = Number(this.getAttribute("max")) || shownMax;
    const shown = people.slice(0, people.length > room ? room - 1 : room);
    this.#views.update(shown);
    const more = people.length - shown.length;
    this.#more.hidden = more === 0;
    setText(this.#more, `+${more}`);
    const names = people.slice(0, 20).map(({ userName }) => userName);
    this.ariaLabel = people.length === 0 ? "Nobody is here" : `${people.length} here`;
    this.title = names.join(", ") + (people.length > names.length ? ", …" : "");
  }
}
