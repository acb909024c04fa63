// @ts-check
/** Keeps the end of a growing text in view, unless the reader has scrolled away from it. */

/** A reader who comes this close to the end wants to follow it again. */
const nearPx = 48;

/** Rounding may leave this much below the end. */
const slackPx = 4;

/**
 * @param {HTMLElement} scroller
 * @param {HTMLElement} content What grows inside it.
 * @param {(following: boolean) => void} onChange
 * @returns {{ follow: () => void }} Call `follow` to go to the end, and stay there.
 */
export function followEnd(scroller, content, onChange) {
  let following = true;

  /** @param {boolean} next */
  const setFollowing = (next) => {
    if (next !== following) onChange(next);
    following = next;
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
  return {
    follow() {
      setFollowing(true);
      toEnd();
    },
  };
}
