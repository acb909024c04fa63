// @ts-check
/** What an activity says, in words. */

/** @import { Activity } from "../client/documents.js" */

/** @type {Record<string, string>} */
const known = {
  "user-joined": "joined",
  "user-left": "left",
  "file-opened": "opened",
  "file-saved": "saved",
};

/** What of its metadata an activity is about, the first that is there. */
const subjects = ["path", "filePath", "file", "title", "name", "command", "message"];

/** More of a subject is left out. */
const subjectLengthMax = 200;

/**
 * @param {Activity} activity
 * @returns {{ verb: string, subject: string }} `subject` is "" where it is about nothing.
 */
export function wordsOf({ activityType, metadata }) {
  const verb = known[activityType] ?? activityType.replace(/[-_.\s]+/g, " ").trim();
  const found = subjects.map((name) => metadata?.[name]).find((value) => isShort(value));
  return { verb, subject: String(found ?? "").slice(0, subjectLengthMax) };
}

/** @param {unknown} value */
function isShort(value) {
  return (typeof value === "string" && value.trim() !== "") || typeof value === "number";
}
