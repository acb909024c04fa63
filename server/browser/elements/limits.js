// @ts-check
/** Every bound of the elements, with what happens when it is reached. */

/**
 * So many of a conversation's newest messages have their calls of tools followed, each by a query
 * of its own. Older ones show what the message itself says. A stream takes 100 queries.
 */
export const followedMessagesMax = 80;

/** Characters of a reply that are read aloud by themselves; the rest is there to be read. */
export const spokenCharactersMax = 1_000;

/** What was said last stays, for who did not catch it. */
export const announcementsMax = 4;

/** Who has hidden the page for this long is idle. */
export const idleMs = 10_000;

/** Who has typed nothing for this long does not type any more. */
export const typingMs = 4_000;

/** A stay that nobody shares any more ends after this. */
export const lingerMs = 250;

/** People that are listed; of more, only the number is told. */
export const shownPeopleMax = 100;

/** Cursors that are drawn at once; of more, those of who came first. */
export const shownCursorsMax = 50;

/** Lines of a diff that are put on the page; of more, the number is told. */
export const diffLinesMax = 2_000;

/** Characters of a value that are put on the page; of more, the number is told. */
export const shownCharactersMax = 100_000;

/** Segments of a terminal that are followed at first, each of some 32,768 characters. */
export const segmentsAtFirst = 6;

/** And at most; the server keeps no more in one answer. */
export const segmentsMax = 200;

/** Differently coloured runs in one segment; what follows is uncoloured. */
export const colouredRunsMax = 1_000;
