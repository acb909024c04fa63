// @ts-check
/** Times of day and durations, as they are shown. */

const timeOfDay = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayAndTime = new Intl.DateTimeFormat(undefined, {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
});
const count = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1 });

const dayMs = 24 * 60 * 60 * 1000;

/** @param {number | null | undefined} atMs Its day is told where it is not of the last 24 hours. */
export function clockTime(atMs) {
  if (!atMs) return "";
  return (Math.abs(Date.now() - atMs) < dayMs ? timeOfDay : dayAndTime).format(atMs);
}

/** @param {number} ms */
export function duration(ms) {
  if (ms < 1000) return `${Math.max(0, Math.round(ms))} ms`;
  const seconds = ms / 1000;
  return seconds < 90 ? `${count.format(seconds)} s` : `${count.format(seconds / 60)} min`;
}
