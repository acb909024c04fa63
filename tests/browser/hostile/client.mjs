// A client among hostile bytes: what it showed, how often it asked, and whether it got over them.
// Runs in Node and in a page alike.

/** How many of the client's milliseconds pass in one. */
export const SPEED = 100;

/** A clock that is fast. */
export function fastTimers(speed = SPEED) {
  const startedAt = performance.now();
  return {
    now: () => (performance.now() - startedAt) * speed,
    setTimeout(callback, delayMs) {
      // What a real timer makes of it: 1 ms where the delay is no sensible number.
      const sensible = delayMs >= 0 && delayMs < 2 ** 31;
      return setTimeout(callback, sensible ? delayMs / speed : 0);
    },
    clearTimeout: (timer) => clearTimeout(timer),
    nextFrame: (callback) => callback(),
  };
}

/**
 * Subscribe, and wait until `last` is shown, the client has given up, or `elapsedMs` of its time
 * have passed.
 * @returns What was shown, which errors were told, and the state in the end.
 */
export async function survive(createClient, options, last, elapsedMs, speed = SPEED) {
  const timers = fastTimers(speed);
  const client = createClient({ ...options, timers, random: () => 1, shareTabs: false });
  const shown = [];
  const errors = [];
  let settle;
  const settled = new Promise((resolve) => (settle = resolve));
  const timer = setTimeout(settle, elapsedMs / speed);
  client.subscribe(
    "notes",
    {},
    {
      onChange(value) {
        shown.push(value);
        if (JSON.stringify(value) === JSON.stringify(last)) settle();
      },
      onError: (error) => errors.push(`${error.code} ${error.retry}`),
    },
  );
  client.connectionState.subscribe((state) => state === "closed" && settle());
  await settled;
  clearTimeout(timer);
  const state = client.connectionState.value;
  client.close();
  return { shown, errors, state, polluted: "polluted" in {} };
}

/** What is wrong with how a client came out of a scenario; null: nothing. */
export function verdict({ shown, state, polluted }, asked, first, last) {
  const [wanted, allowed, ...all] = [last, first, ...shown].map((value) => JSON.stringify(value));
  if (all.at(-1) !== wanted) return `in the end it was ${state}, and showed ${all.at(-1)}`;
  const wrong = all.slice(0, -1).find((value) => value !== allowed);
  if (wrong !== undefined) return `it showed ${wrong}`;
  if (polluted) return "it let a prototype be changed";
  const odd = asked.find(({ from }) => from !== undefined && from !== "10.1~b");
  if (odd) return `it continued from ${JSON.stringify(odd.from)}`;
  return null;
}
