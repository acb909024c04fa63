// @ts-check
/**
 * Every bound of the client, with what happens when it is reached.
 *
 * The server speaks at least every 15 s; a stream that is silent for longer than two of those
 * and some network is taken for dead.
 */

/** No message for this long: the stream is closed and opened again. */
export const silenceMsMax = 40_000;

/** The first delay after a failure; each further one doubles it. */
export const retryDelayMsMin = 500;

/** No delay grows beyond this, whatever the number of failures. */
export const retryDelayMsMax = 30_000;

/** A stream that lived this long clears the count of failures before it. */
export const steadyMs = 10_000;

/** A new stream that cannot be shown to have passed the old one for this long ends both. */
export const handoverMsMax = 500;

/** A longer sync URL is sent as the body of a POST instead. */
export const urlLengthMax = 8_000;

/** How often a call is sent at most, the first time included. */
export const callAttemptsMax = 5;

/** An attempt at a call that does not wait for an action's end is given up after this. */
export const callMsMax = 30_000;
