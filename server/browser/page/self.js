// @ts-check
/** Who sits at this browser: an id and a name that are made once, and a name that can be changed. */

import { randomId } from "../client/random_id.js";

const idKey = "headwater-user-id";
const nameKey = "headwater-user-name";

const moods = ["Calm", "Swift", "Bright", "Quiet", "Merry", "Patient", "Bold", "Gentle"];
const animals = ["Otter", "Heron", "Trout", "Beaver", "Kingfisher", "Dipper", "Salmon", "Swan"];

/** @returns {{ userId: string, userName: string }} */
export function self() {
  const userId = kept(idKey, () => `guest-${randomId().slice(0, 12)}`);
  return { userId, userName: kept(nameKey, () => `${oneOf(moods)} ${oneOf(animals)}`) };
}

/** @param {string} userName */
export function rename(userName) {
  localStorage.setItem(nameKey, userName);
}

/**
 * Hear that another tab changed the name.
 * @param {(userName: string) => void} onRename
 */
export function whenRenamed(onRename) {
  addEventListener("storage", ({ key, newValue }) => {
    if (key === nameKey && newValue) onRename(newValue);
  });
}

/**
 * @param {string} key
 * @param {() => string} make
 */
function kept(key, make) {
  const value = localStorage.getItem(key) || make();
  localStorage.setItem(key, value);
  return value;
}

/** @param {string[]} words */
const oneOf = (words) => words[Math.floor(Math.random() * words.length)] ?? "";
