// Histories of a reply's document: every value that it had, as the server writes it.

/** A generator of numbers that a seed makes again. */
export function createRandom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n) => Math.floor(next() * n);
  return { below, chance: (p) => next() < p, pick: (list) => list[below(list.length)] };
}

const words = ["Hm. ", "é", "🦊 ", "{", "and so ", "\n\n", '"', "\\", "the end"];
const endings = [
  ["COMPLETED", { finishReason: "end_turn" }],
  ["COMPLETED", { finishReason: "max_tokens" }],
  ["CANCELLED", { cancelRequestedAt: 5 }],
  ["FAILED", { error: { code: "claude_overloaded", message: "Claude has too much to do." } }],
  ["INTERRUPTED", {}],
];

export const emptyReply = (more = {}) => ({
  _id: "6b08",
  taskId: "t1",
  role: "assistant",
  sequence: 1,
  status: "PENDING",
  parts: [],
  model: "claude-sonnet-5-5",
  askedBy: "6b07",
  createdAt: 1,
  updatedAt: 1,
  ...more,
});

/** Makes a history by edits; unchanged parts stay the same objects. */
export function createHistory() {
  const values = [{ message: emptyReply(), calls: [] }];
  const last = () => values.at(-1);
  const set = (fields) => {
    values.push({ ...last(), message: { ...last().message, ...fields } });
  };
  const parts = () => last().message.parts;
  return {
    values,
    set,
    parts,
    add: (part) => set({ parts: [...parts(), part] }),
    change: (index, fields) =>
      set({ parts: parts().map((part, at) => (at === index ? { ...part, ...fields } : part)) }),
    call: (toolCallId, fields) => {
      const known = last().calls.find((call) => call.toolCallId === toolCallId);
      const others = last().calls.filter((call) => call !== known);
      values.push({ ...last(), calls: [...others, { toolCallId, ...known, ...fields }] });
    },
  };
}

/** A history of several steps, attempts, tools and approvals, and one of the endings. */
export function randomHistory(random) {
  const history = createHistory();
  const { add, call, change, parts, set, values } = history;
  let callsCount = 0;
  const attempts = 1 + random.below(2);
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    let seam = attempt > 1 && parts().length > 0;
    const begin = (part) => {
      add(seam ? { ...part, seam: true } : part);
      seam = false;
      return parts().length - 1;
    };
    const grow = (index, name) => {
      for (let count = random.below(4); count > 0; count -= 1) {
        change(index, { [name]: parts()[index][name] + random.pick(words) });
      }
    };
    if (random.chance(0.2)) set({ retrying: { attempt: 1, code: "claude_overloaded", at: 9 } });
    set({ status: "STREAMING", retrying: null });
    let [status, more] = attempt < attempts ? random.pick(endings.slice(2)) : random.pick(endings);
    const cutAfter = random.chance(0.3) ? random.below(4) : Infinity;
    let begun = 0;
    const isCut = () => status !== "COMPLETED" && (begun += 1) > cutAfter;
    for (let step = random.below(3); step >= 0; step -= 1) {
      if (random.chance(0.5) && !isCut()) grow(begin({ type: "reasoning", text: "" }), "text");
      for (let count = random.below(3); count > 0 && !isCut(); count -= 1) {
        const index = begin({ type: "text", text: random.pick(words) });
        grow(index, "text");
        if (random.chance(0.3)) change(index, { citations: [{ url: "https://a.example" }] });
      }
      const pending = [];
      for (let count = random.below(3); count > 0 && !isCut(); count -= 1) {
        const toolCallId = `call${(callsCount += 1)}`;
        const toolName = random.pick(["look_up", "read-file"]);
        const index = begin({ type: "tool-call", toolCallId, toolName, argsText: "" });
        if (isCut()) break;
        const args = random.chance(0.3) ? {} : { a: [random.pick(words)], n: random.below(99) };
        const text = Object.keys(args).length > 0 ? JSON.stringify(args) : "";
        for (let at = 0; at < text.length; at += 5) {
          change(index, { argsText: parts()[index].argsText + text.slice(at, at + 5) });
        }
        change(index, { args });
        pending.push(toolCallId);
      }
      while (pending.length > 0 && !isCut()) {
        const [toolCallId] = pending.splice(random.below(pending.length), 1);
        let isError = random.chance(0.3);
        if (random.chance(0.4)) {
          call(toolCallId, { approval: "required" });
          if (isCut()) break;
          const denied = random.chance(0.5);
          call(
            toolCallId,
            denied
              ? { approval: "denied", error: { code: "denied", message: "Somebody refused." } }
              : { approval: "approved" },
          );
          isError ||= denied;
        }
        add({
          type: "tool-result",
          toolCallId,
          result: isError ? "It failed." : random.pick([{ found: 1 }, "text", null, [1]]),
          isError,
        });
      }
    }
    const usage = {
      promptTokens: 10,
      completionTokens: attempt,
      totalTokens: 10 + attempt,
      cacheReadTokens: 4,
      thinkingTokens: 0,
      final: status === "COMPLETED",
    };
    if (attempt === attempts && random.chance(0.15)) {
      const error = { code: "refusal", message: "Claude declined to answer this." };
      [status, more] = ["FAILED", { error, finishReason: "refusal", parts: [] }];
    }
    set({ status, usage, ...more });
    if (attempt < attempts) set({ status: "PENDING", error: null, finishReason: null });
  }
  return values;
}

/**
 * Some of the values, the last always, as a reader sees them: of a reply that was resumed while it
 * was not looked at, the ending before is not among them.
 */
export function cut(values, random, share) {
  const isLast = (index) => index === values.length - 1;
  const isEnding = ({ message }) => message.status !== "PENDING" && message.status !== "STREAMING";
  return values.filter(
    (value, index) => isLast(index) || (!isEnding(value) && random.chance(share)),
  );
}

/** A stream of what `translate` makes of the values. */
export function streamOf(items) {
  return new ReadableStream({
    start(controller) {
      for (const item of items) controller.enqueue(item);
      controller.close();
    },
  });
}

/** As JSON has it: without what is undefined. */
export const plain = (value) => JSON.parse(JSON.stringify(value));
