// @ts-check
/**
 * `<headwater-people task="…">`: who is in a task, and what they are doing.
 *
 * With `user-id` and `user-name` that person is there too, as long as the element is. Where it is
 * `editable` they may change their name.
 *
 *     headwater-rename    {userName}: by default the attribute `user-name` becomes it
 */

import { Avatar } from "./avatar.js";
import { element, icon, setText } from "./dom.js";
import { HeadwaterElement } from "./headwater_element.js";
import { KeyedViews } from "./keyed_views.js";
import { shownPeopleMax } from "./limits.js";
import { joinStay } from "./stay.js";

/** @import { Client } from "../client.js" */
/** @import { Person } from "../client/documents.js" */

/** @typedef {{ person: Person, isSelf: boolean }} ShownPerson */

export class HeadwaterPeople extends HeadwaterElement {
  static sheets = [new URL("./people.css", import.meta.url).href];
  static observedAttributes = [
    ...HeadwaterElement.observedAttributes,
    "user-id",
    "user-name",
    "editable",
  ];

  #list = element("ul", "people");
  #more = element("p", "more");
  /** @type {Person[]} */
  #people = [];
  /** @type {KeyedViews<Person, PersonView>} */
  #views = new KeyedViews(
    this.#list,
    (person) => person._id,
    () => new PersonView((userName) => this.#rename(userName)),
  );

  build() {
    this.#list.role = "list"; // which a list without bullets is not to every reader
    this.#list.ariaLabel = "People here";
    this.replaceChildren(this.#list, this.#more);
  }

  clear() {
    this.#show([]);
    this.#more.hidden = true;
  }

  /**
   * @param {Client} client
   * @param {string} taskId
   */
  start(client, taskId) {
    const userId = this.getAttribute("user-id");
    const userName = this.getAttribute("user-name");
    if (userId && userName) {
      const stay = joinStay(client, { taskId, userId, userName });
      this.whenStopped(() => stay.leave());
    }
    this.#show(this.#people);
    this.follow("presence.getActiveUsers", { taskId }, (/** @type {Person[]} */ people) =>
      this.#show(people),
    );
  }

  /** @param {Person[]} people */
  #show(people) {
    const selfId = this.getAttribute("user-id");
    const mayRename = this.hasAttribute("editable");
    const self = people.filter(({ userId }) => userId === selfId);
    const others = people.filter(({ userId }) => userId !== selfId);
    const shown = [...self, ...others].slice(0, shownPeopleMax);
    this.#people = people;
    this.#views.update(shown);
    for (const { userId, _id } of shown) {
      this.#views.get(_id)?.setSelf(userId === selfId, mayRename);
    }
    const more = people.length - shown.length;
    setText(this.#more, more > 0 ? `And ${more} more.` : "Nobody is here.");
    this.#more.hidden = people.length > 0 && more === 0;
  }

  /** @param {string} userName */
  #rename(userName) {
    if (!this.emit("headwater-rename", { userName }, { cancelable: true })) return;
    this.setAttribute("user-name", userName);
  }
}

class PersonView {
  #avatar = new Avatar();
  #name = element("span", "name");
  #you = element("span", "you", "you");
  #doing = element("span", "doing");
  #edit = element("button", "edit", icon("M2.5 13.5 3.2 10.6 10.6 3.2 12.8 5.4 5.4 12.8z"));
  #field = element("input");
  #form = element("form", "rename", this.#field);
  #words = element("span", "who", element("span", "names", this.#name, this.#you), this.#doing);
  element = element("li", "person", this.#avatar.element, this.#words, this.#edit, this.#form);
  #onRename;

  /** @param {(userName: string) => void} onRename */
  constructor(onRename) {
    this.#onRename = onRename;
    this.#edit.type = "button";
    this.#edit.ariaLabel = this.#edit.title = "Change your name";
    this.#field.ariaLabel = "Your name";
    this.#field.maxLength = 60;
    this.#field.required = true;
    this.#field.autocomplete = "off";
    this.#form.hidden = true;
    this.#edit.addEventListener("click", () => this.#ask(true));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#take();
    });
    this.#field.addEventListener("blur", () => this.#take());
    this.#field.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation();
      this.#ask(false);
      this.#edit.focus();
    });
    this.setSelf(false, false);
  }

  /** @param {Person} person */
  update(person) {
    this.#avatar.update(person);
    setText(this.#name, person.userName);
    this.#name.title = person.userName;
    this.#doing.dataset.activity = this.element.dataset.activity = person.activity;
    setText(this.#doing, doingOf(person));
    this.#doing.title = person.selection?.filePath ?? "";
  }

  /**
   * @param {boolean} isSelf
   * @param {boolean} mayRename
   */
  setSelf(isSelf, mayRename) {
    this.#you.hidden = !isSelf;
    this.#edit.hidden = !isSelf || !mayRename || !this.#form.hidden;
  }

  /** @param {boolean} asked */
  #ask(asked) {
    this.#form.hidden = !asked;
    this.#words.hidden = this.#edit.hidden = asked;
    if (!asked) return;
    this.#field.value = this.#name.textContent ?? "";
    this.#field.select();
    this.#field.focus();
  }

  #take() {
    if (this.#form.hidden) return;
    const userName = this.#field.value.trim();
    const hadFocus = document.activeElement === this.#field;
    this.#ask(false);
    if (hadFocus) this.#edit.focus();
    if (userName && userName !== this.#name.textContent) this.#onRename(userName);
  }
}

/**
 * What somebody is doing, in a few words.
 * @param {Person} person
 */
export function doingOf({ activity, selection }) {
  switch (activity) {
    case "typing":
      return "Typing…";
    case "editing-file":
      return selection?.filePath ? `Editing ${fileName(selection.filePath)}` : "Editing a file";
    case "running-command":
      return "Running a command";
    case "idle":
      return "Idle";
    default:
      return "Viewing";
  }
}

/** @param {string} path */
const fileName = (path) => path.slice(path.lastIndexOf("/") + 1) || path;
