/** What the server's `ctx.page` says of sorted numbers; a cursor is a number, as text. */
export function pageOf(numbers, { size, after, until }) {
  const beyond = numbers.filter((n) => n > Number(after ?? -Infinity));
  const documents = (found) => found.map((n) => ({ _id: `n${n}` }));
  if (until !== undefined) {
    const within = beyond.filter((n) => n <= Number(until));
    const middle = within[Math.floor(within.length / 2)];
    const splitCursor = within.length > 2 * size ? String(middle) : null;
    return { page: documents(within), isDone: false, continueCursor: until, splitCursor };
  }
  const page = beyond.slice(0, size);
  const continueCursor = page.length ? String(page.at(-1)) : (after ?? null);
  return { page: documents(page), isDone: beyond.length <= size, continueCursor, splitCursor: null };
}
