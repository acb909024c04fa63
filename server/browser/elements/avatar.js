// @ts-check
/** A person's small round picture: their image, or initials on a colour that is always theirs. */

import { element } from "./dom.js";

/**
 * The first letters of the first and the last word.
 * @param {string} name
 */
export function initials(name) {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const chosen = words.length > 1 ? [words[0], words.at(-1)] : words;
  const letters = chosen.map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toUpperCase() || "?";
}

/**
 * A hue in degrees, spread over the circle, and the same wherever it is computed.
 * @param {string} userId
 */
export function hueOf(userId) {
  let hash = 2166136261;
  for (const letter of userId) {
    hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 16777619);
  }
  return ((hash >>> 0) % 24) * 15;
}

/** An image that a page may load: from elsewhere by https, or inline. */
const loadable = /^(https:|data:image\/)/i;

/** Its name is told beside it, so it says nothing by itself. */
export class Avatar {
  #letters = element("span");
  element = element("span", "avatar", this.#letters);
  /** @type {string | null | undefined} */
  #image;

  constructor() {
    this.element.ariaHidden = "true";
  }

  /** @param {{ userId: string, userName: string, userImage?: string | null }} person */
  update({ userId, userName, userImage }) {
    this.element.style.setProperty("--hue", String(hueOf(userId)));
    this.#letters.textContent = initials(userName);
    if (userImage === this.#image) return;
    this.#image = userImage;
    this.element.querySelector("img")?.remove();
    if (!userImage || !loadable.test(userImage)) return;
    const image = element("img");
    image.alt = "";
    image.referrerPolicy = "no-referrer";
    image.src = userImage;
    image.addEventListener("error", () => image.remove());
    this.element.append(image);
  }
}
