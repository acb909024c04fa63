// @ts-check
/** Every bound of the page, with what happens when it is reached. */

/**
 * So many of a conversation's newest messages have their calls of tools followed, each by a query
 * of its own. Older ones show what the message itself says. A stream takes 100 queries.
 */
export const followedMessagesMax = 80;
