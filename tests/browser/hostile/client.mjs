// A client among hostile bytes: what it showed, how often it asked, and whether it got over them.
// Runs in Node and in a page alike.

/** How many of the client's milliseconds pass in one. */
export const SPEED = 100;

/** A clock that is fast, and writes down how long it is asked to wait. */
export function fastTimers() {
  const waits = [];
  const startedAt = performance.now();
  return {
    waits,
    now: () => (performance.now() - startedAt) * SPEED,
    setTimeout(callback, delayMs) {
      waits.push(delayMs);
      // What a real timer makes of it: 1 ms where the delay is no sensible number.
      const sensible = delayMs >= 0 && delayMs < 2 ** 31;
      return setTimeout(callback, sensible ? delayMs / SPEED : 0);
    },
    clearTimeout: (timer) => clearTimeout(timer),
    nextFrame: (callback) => callback(),
  };
}

/**
 * Subscribe, and wait until `last` is shown, or `elapsedMs` of the client's time have passed.
 * @returns What was shown, which errors were told, and the state in the end.
 */
export async function survive(createClient, options, last, elapsedMs) {
  const timers = fastTimers();
  const client = createClient({ ...options, timers, random: () => 1, shareTabs: false });
  const shown = [];
  const errors = [];
  let settle;
  const settled = new Promise((resolve) => (settle = resolve));
  const timer = setTimeout(settle, elapsedMs / SPEED);
  client.subscribe("notes", {}, {
    onChange(value) {
      shown.push(value);
      if (JSON.stringify(value) === JSON.stringify(last)) settle();
    },
    onError: (error) => errors.push(`${error.code} ${error.retry}`),
  });
  await settled;
  clearTimeout(timer);
  const state = client.connectionState.value;
  client.close();
  return { shown, errors, state, waits: timers.waits, polluted: "polluted" in {} };
}
