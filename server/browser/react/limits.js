// @ts-check
/**
 * Every bound of the hooks, with what happens when it is reached.
 *
 * The server takes somebody for gone who was not heard of for 60 s, so a beat must come well
 * before, and time must be left to try again when one is lost.
 */

/** A tab that is seen says this often that somebody is here. */
export const beatMs = 30_000;

/**
 * A hidden tab says it a third less often, and no less: 15 s remain for a late timer, a slow
 * answer and the first retries, or a person who looks elsewhere would leave and join for ever.
 */
export const hiddenBeatMs = 45_000;
