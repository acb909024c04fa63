// @ts-check
/**
 * Every bound of the client, with what happens when it is reached.
 *
 * The server speaks at least every 15 s; a stream that is silent for longer than two of those
 * and some network is taken for dead.
 */

/** No message for this long: the stream is closed and opened again. */
export const silenceMsMax = 40_000;

/** The same for one that wakes, is shown again, or hears that the network is back. */
export const silenceOnWakeMsMax = 17_000;

/** The first delay after a failure; each further one doubles it. */
export const retryDelayMsMin = 500;

/** No delay grows beyond this, whatever the number of failures. */
export const retryDelayMsMax = 30_000;

/** Nor is a server heard that asks for a longer one. */
export const retryAfterMsMax = 600_000;

/** A stream that has begun and lived this long clears the count of failures before it. */
export const steadyMs = 3_000;

/** A new stream that cannot be shown to have passed the old one for this long ends both. */
export const handoverMsMax = 500;

/** A longer sync URL is sent as the body of a POST instead. */
export const urlLengthMax = 8_000;

/** Queries followed at once; a stream takes no more. Further ones are told so. */
export const queriesMax = 1_000;

/** How long a query that nobody wants any more is followed on, for whoever comes back to it. */
export const lingerMs = 5_000;

/** So many are; of more, those that were left first are let go. */
export const lingeringMax = 20;

/** Where no frame is drawn, what came is shown after this. */
export const frameMsMax = 100;

/** Deeper parts of a snapshot are taken as they come, not compared with what was there. */
export const sharedDepthMax = 100;

/** How often a call is sent at most, the first time included: for about a minute. */
export const callAttemptsMax = 8;

/** An attempt at a call that does not wait for an action's end is given up after this. */
export const callMsMax = 30_000;

/** Mutations that wait for their turn. Further ones are refused. */
export const mutationsMax = 1_000;

/** A mutation is resolved after this, though the stream has not passed its position. */
export const passMsMax = 10_000;

/** How often a tab reminds the tab that leads, whose own timers may be slowed down. */
export const nudgeMs = 1_000;

/** Characters of one event that is read by `fetch`; the connection of a longer one has failed. */
export const eventLengthMax = 64 << 20;
