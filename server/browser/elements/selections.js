// @ts-check
/** `<headwater-selections task="…">`: what others have selected, file by file. */

import { Avatar } from "./avatar.js";
import { element, setText } from "./dom.js";
import { HeadwaterElement } from "./headwater_element.js";
import { KeyedViews } from "./keyed_views.js";

/** @import { Client } from "../client.js" */
/** @import { Person } from "../client/documents.js" */

/** @typedef {{ path: string, people: Person[] }} SelectedFile */

export class HeadwaterSelections extends HeadwaterElement {
  static sheets = [new URL("./people.css", import.meta.url).href];
  static observedAttributes = [...HeadwaterElement.observedAttributes, "user-id"];

  #list = element("ul", "selected-files");
  #none = element("p", "more", "Nobody has a file open.");
  /** @type {KeyedViews<SelectedFile, FileView>} */
  #views = new KeyedViews(
    this.#list,
    (file) => file.path,
    () => new FileView(),
  );

  build() {
    this.#list.role = "list";
    this.#list.ariaLabel = "Selections by file";
    this.replaceChildren(this.#list, this.#none);
  }

  clear() {
    this.#show([]);
  }

  /**
   * @param {Client} _client
   * @param {string} taskId
   */
  start(_client, taskId) {
    const selfId = this.getAttribute("user-id");
    this.follow("presence.getActiveUsers", { taskId }, (/** @type {Person[]} */ people) =>
      this.#show(byFile(people.filter(({ userId }) => userId !== selfId))),
    );
  }

  /** @param {SelectedFile[]} files */
  #show(files) {
    this.#views.update(files);
    this.#none.hidden = files.length > 0;
  }
}

/**
 * @param {Person[]} people
 * @returns {SelectedFile[]} By path.
 */
export function byFile(people) {
  /** @type {Map<string, Person[]>} */
  const files = new Map();
  for (const person of people) {
    const path = person.selection?.filePath;
    if (path) files.set(path, [...(files.get(path) ?? []), person]);
  }
  return [...files]
    .map(([path, people]) => ({ path, people }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}

class FileView {
  #path = element("code", "path");
  #people = element("ul", "selecting");
  element = element("li", "selected-file", this.#path, this.#people);
  /** @type {KeyedViews<Person, SelectionView>} */
  #views = new KeyedViews(
    this.#people,
    (person) => person._id,
    () => new SelectionView(),
  );

  constructor() {
    this.#people.role = "list";
  }

  /** @param {SelectedFile} file */
  update({ path, people }) {
    setText(this.#path, path);
    this.#path.title = path;
    this.#views.update(people);
  }
}

class SelectionView {
  #avatar = new Avatar();
  #name = element("span", "name");
  #range = element("span", "range");
  element = element("li", "", this.#avatar.element, this.#name, this.#range);

  /** @param {Person} person */
  update(person) {
    const { start, end } = person.selection ?? { start: 0, end: 0 };
    this.#avatar.update(person);
    setText(this.#name, person.userName);
    setText(this.#range, start === end ? `at ${start}` : `${start} to ${end}`);
  }
}
