// @ts-check
/** Every bound of the adapters. */

/** Of a task's messages, how many are looked through for a reply that runs; 20 may wait their turn. */
export const recentMax = 50;
