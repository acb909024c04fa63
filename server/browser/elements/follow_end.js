// @ts-check
/** Keeps the end of a growing text in view, unless the reader has scrolled away from it. */

import { element } from "./dom.js";

/** A reader who comes this close to the end wants to follow it again. */
const nearPx = 48;

/** Rounding may leave this much below the end. */
const slackPx = 4;

/**
 * @param {HTMLElement} scroller
 * @param {HTMLElement} content What grows inside it.
 * @returns {{ follow: () => void, button: HTMLButtonElement }} Call `follow` to go to the end, and
 *   stay there. So does the button, which is shown to who is not there.
 */
export function followEnd(scroller, content) {
  const button = element("button", "latest", "Latest ↓");
  button.type = "button";
  button.ariaLabel = "Latest";
  button.hidden = true;
  let following = true;

  /** @param {boolean} next */
  const setFollowing = (next) => {
    const hadFocus = document.activeElement === button;
    following = next;
    button.hidden = following;
    if (hadFocus && following) scroller.focus();
  };
  let topBefore = 0;
  const toEnd = () => {
    if (!following) return;
    scroller.scrollTop = scroller.scrollHeight;
    // What folded may have moved it up: its reader did not.
    topBefore = scroller.scrollTop;
  };

  scroller.addEventListener("scroll", () => {
    const { scrollTop, scrollHeight, clientHeight } = scroller;
    const below = scrollHeight - clientHeight - scrollTop;
    if (scrollTop < topBefore && below > slackPx) setFollowing(false);
    else if (scrollTop >= topBefore && below < nearPx) setFollowing(true);
    topBefore = scrollTop;
  });
  const sizes = new ResizeObserver(toEnd);
  sizes.observe(content);
  sizes.observe(scroller);
  const follow = () => {
    setFollowing(true);
    toEnd();
  };
  button.addEventListener("click", follow);
  return { follow, button };
}
