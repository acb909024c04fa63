// @ts-check
/**
 * `<headwater-activity task="…">`: what was done in a task last, newest first.
 *
 * Activities know people by their ids; names are those of who is, or has been seen, there.
 * `limit` (50) is how many are shown.
 */

import { wordsOf } from "./activity_words.js";
import { Avatar } from "./avatar.js";
import { clockTime } from "./clock.js";
import { element, setText } from "./dom.js";
import { HeadwaterElement } from "./headwater_element.js";
import { KeyedViews } from "./keyed_views.js";

/** @import { Client } from "../client.js" */
/** @import { Activity, Person } from "../client/documents.js" */

/** @typedef {{ userId: string, userName: string, userImage?: string | null }} Known */

export class HeadwaterActivity extends HeadwaterElement {
  static sheets = [
    new URL("./people.css", import.meta.url).href,
    new URL("./activity.css", import.meta.url).href,
  ];
  static observedAttributes = [...HeadwaterElement.observedAttributes, "limit"];

  #list = element("ol", "activities");
  #none = element("p", "more", "Nothing has happened yet.");
  /** @type {Map<string, Known>} */
  #known = new Map();
  /** @type {KeyedViews<Activity, ActivityView>} */
  #views = new KeyedViews(
    this.#list,
    (activity) => activity._id,
    () => new ActivityView(this.#known),
  );

  build() {
    this.#list.role = "list";
    this.#list.ariaLabel = "Activity, newest first";
    this.replaceChildren(this.#list, this.#none);
  }

  clear() {
    this.#known.clear();
    this.#views.update([]);
    this.#none.hidden = true;
  }

  /**
   * @param {Client} _client
   * @param {string} taskId
   */
  start(_client, taskId) {
    const limit = Number(this.getAttribute("limit")) || undefined;
    this.follow("presence.getActiveUsers", { taskId }, (/** @type {Person[]} */ people) =>
      this.#know(people),
    );
    this.follow(
      "presence.getRecentActivities",
      { taskId, limit },
      (/** @type {Activity[]} */ activities) => {
        this.#views.update(activities);
        this.#none.hidden = activities.length > 0;
      },
    );
  }

  /** @param {Person[]} people */
  #know(people) {
    let isNew = false;
    for (const { userId, userName, userImage } of people) {
      const before = this.#known.get(userId);
      if (before?.userName === userName && before.userImage === userImage) continue;
      this.#known.set(userId, { userId, userName, userImage });
      isNew = true;
    }
    if (isNew) for (const view of this.#views.all()) view.name();
  }
}

class ActivityView {
  #avatar = new Avatar();
  #name = element("span", "name");
  #verb = document.createTextNode("");
  #subject = element("code", "subject");
  #time = element("time");
  #words = element("p", "said", this.#name, " ", this.#verb, " ", this.#subject);
  element = element("li", "activity", this.#avatar.element, this.#words, this.#time);
  #known;
  /** @type {Activity | null} */
  #activity = null;

  /** @param {Map<string, Known>} known */
  constructor(known) {
    this.#known = known;
  }

  /** @param {Activity} activity */
  update(activity) {
    const { verb, subject } = wordsOf(activity);
    this.#activity = activity;
    this.#verb.data = verb;
    setText(this.#subject, subject);
    this.#subject.hidden = subject === "";
    this.#subject.title = subject;
    this.#time.dateTime = new Date(activity.timestamp).toISOString();
    setText(this.#time, clockTime(activity.timestamp));
    this.name();
  }

  /** Show the person's name, as it is known now. */
  name() {
    const { userId, metadata } = this.#activity ?? { userId: "", metadata: null };
    const said = typeof metadata?.userName === "string" ? metadata.userName : userId;
    const person = this.#known.get(userId) ?? { userId, userName: said };
    this.#avatar.update(person);
    setText(this.#name, person.userName);
    this.#name.title = person.userName;
  }
}
