// @ts-check
/**
 * `<headwater-cursors task="…" over="#drawing">`: where others point, over a surface.
 *
 * It lies over the element that holds it, which must be positioned. Cursors are measured in pixels
 * from the top left of the surface that the selector `over` names, and move with it when it is
 * scrolled; absent, the surface is the element that holds it. With `user-id` and `user-name` that
 * person's own pointer is told to others, and not shown here.
 */

import { hueOf } from "./avatar.js";
import { element, icon, setText } from "./dom.js";
import { HeadwaterElement } from "./headwater_element.js";
import { KeyedViews } from "./keyed_views.js";
import { shownCursorsMax } from "./limits.js";
import { joinStay } from "./stay.js";

/** @import { Client } from "../client.js" */
/** @import { Person } from "../client/documents.js" */
/** @import { Stay } from "./stay.js" */

export class HeadwaterCursors extends HeadwaterElement {
  static sheets = [new URL("./cursors.css", import.meta.url).href];
  static observedAttributes = [
    ...HeadwaterElement.observedAttributes,
    "user-id",
    "user-name",
    "over",
  ];

  #plane = element("div", "plane");
  /** @type {KeyedViews<Person, CursorView>} */
  #views = new KeyedViews(
    this.#plane,
    (person) => person._id,
    () => new CursorView(),
  );
  #measuring = false;

  build() {
    this.ariaHidden = "true";
    this.replaceChildren(this.#plane);
  }

  clear() {
    this.#views.update([]);
  }

  /**
   * @param {Client} client
   * @param {string} taskId
   */
  start(client, taskId) {
    const userId = this.getAttribute("user-id");
    const userName = this.getAttribute("user-name");
    if (userId && userName) this.#tell(joinStay(client, { taskId, userId, userName }));
    this.#stayInPlace();
    this.follow("presence.getActiveUsers", { taskId }, (/** @type {Person[]} */ people) => {
      const pointing = people.filter((person) => person.cursor && person.userId !== userId);
      this.#views.update(pointing.slice(0, shownCursorsMax));
      this.#measureSoon();
    });
  }

  get #surface() {
    const over = this.getAttribute("over");
    return (over && document.querySelector(over)) || this.parentElement;
  }

  /** @param {Stay} stay Told where this page's pointer is. */
  #tell(stay) {
    const controller = new AbortController();
    const { signal } = controller;
    this.whenStopped(() => {
      controller.abort();
      stay.leave();
    });
    let told = false;
    const move = (/** @type {PointerEvent} */ { clientX, clientY, pointerType }) => {
      const surface = this.#surface;
      if (!surface || pointerType === "touch") return;
      const { left, top } = surface.getBoundingClientRect();
      told = true;
      stay.say({ cursor: { x: Math.round(clientX - left), y: Math.round(clientY - top) } });
    };
    const leave = () => {
      if (told) stay.say({ cursor: null });
      told = false;
    };
    this.parentElement?.addEventListener("pointermove", move, { signal, passive: true });
    this.parentElement?.addEventListener("pointerleave", leave, { signal });
  }

  #stayInPlace() {
    const controller = new AbortController();
    const { signal } = controller;
    const measure = () => this.#measureSoon();
    document.addEventListener("scroll", measure, { signal, passive: true, capture: true });
    addEventListener("resize", measure, { signal, passive: true });
    this.whenStopped(() => controller.abort());
  }

  #measureSoon() {
    if (this.#measuring) return;
    this.#measuring = true;
    requestAnimationFrame(() => {
      this.#measuring = false;
      const surface = this.#surface;
      if (!surface || !this.#plane.hasChildNodes()) return;
      const [from, to] = [this.getBoundingClientRect(), surface.getBoundingClientRect()];
      this.#plane.style.translate = `${to.left - from.left}px ${to.top - from.top}px`;
    });
  }
}

class CursorView {
  #name = element("span", "name");
  element = element("div", "cursor", icon("M2 1.5 13 6.5 8 8.2 6 13.2z"), this.#name);

  /** @param {Person} person */
  update({ userId, userName, cursor }) {
    this.element.style.setProperty("--hue", String(hueOf(userId)));
    setText(this.#name, userName);
    if (cursor) this.element.style.translate = `${cursor.x}px ${cursor.y}px`;
  }
}
