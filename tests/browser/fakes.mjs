// A clock, a network and a server's side of a stream, held by the test.

/** Timers that run when the test says so. */
export function createClock() {
  const waiting = new Map();
  let count = 0;
  let nowMs = 0;
  return {
    timers: {
      now: () => nowMs,
      setTimeout(callback, delayMs) {
        waiting.set((count += 1), { callback, dueMs: nowMs + delayMs });
        return count;
      },
      clearTimeout: (timer) => void waiting.delete(timer),
      nextFrame: (callback) => callback(),
    },
    pending: () => [...waiting.values()].map(({ dueMs }) => dueMs - nowMs).sort((a, b) => a - b),
    /** Let the time pass, timer by timer, and the promises between them settle. */
    async advance(ms) {
      const endMs = nowMs + ms;
      for (;;) {
        await settle();
        const due = [...waiting]
          .filter(([, { dueMs }]) => dueMs <= endMs)
          .sort(([, a], [, b]) => a.dueMs - b.dueMs)[0];
        if (!due) break;
        waiting.delete(due[0]);
        nowMs = due[1].dueMs;
        due[1].callback();
      }
      nowMs = endMs;
    },
  };
}

/** Until the promises that are ready have run. */
export const settle = () => new Promise((resolve) => setImmediate(resolve));

/** A class like EventSource, and the list of what was opened with it. */
export function createEventSources() {
  const opened = [];
  class FakeEventSource {
    readyState = 0;
    onmessage = null;
    onerror = null;
    constructor(url) {
      this.url = new URL(url, "http://server");
      opened.push(this);
    }
    get queries() {
      return JSON.parse(this.url.searchParams.get("queries"));
    }
    get open() {
      return this.readyState !== 2;
    }
    close() {
      this.readyState = 2;
    }
    send(id, body) {
      if (this.open)
        this.onmessage?.({
          data: typeof body === "string" ? body : JSON.stringify(body),
          lastEventId: id,
        });
    }
    /** The connection breaks; an EventSource would try again by itself. */
    drop() {
      return this.#fail(0);
    }
    /** Any answer but 200 ends an EventSource. */
    refuse() {
      return this.#fail(2);
    }
    #fail(readyState) {
      this.readyState = readyState;
      this.onerror?.({});
      return settle();
    }
  }
  return { FakeEventSource, opened, live: () => opened.filter((source) => source.open) };
}

/** A fetch that gives the prepared answers in order, and remembers what it was asked. */
export function createFetch(...answers) {
  const asked = [];
  const fetch = async (url, init = {}) => {
    asked.push({
      url,
      ...init,
      headers: init.headers ?? {},
      body: init.body && JSON.parse(init.body),
    });
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer === "hang") {
      return new Promise((_, reject) => {
        init.signal?.addEventListener("abort", () => reject(init.signal.reason));
      });
    }
    if (answer instanceof Error) throw answer;
    const [status, body] = answer ?? [200, {}];
    return new Response(typeof body === "string" ? body : JSON.stringify(body), { status });
  };
  return { fetch, asked };
}

export const refusal = (code, retry, more = {}) => ({
  error: { code, message: `It is ${code}.`, retry, ...more },
});
