// @ts-check
/** Every bound of the adapters. */

/** How many of a task's messages are looked through for a reply that runs; 20 may wait. */
export const recentMax = 50;
