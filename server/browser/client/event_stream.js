// @ts-check
/**
 * The text/event-stream format, read from text as it comes.
 *
 * For streams that are read with `fetch`; an EventSource reads its own.
 *
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */

/**
 * @param {(data: string, lastEventId: string) => void} onMessage Called for unnamed events only.
 * @returns {(text: string) => void} Takes the decoded stream in pieces of any size.
 */
export function createEventStreamParser(onMessage) {
  let rest = "";
  let begun = false;
  let afterReturn = false;
  let lastEventId = "";
  let eventName = "";
  /** @type {string[]} */
  let data = [];

  /** @param {string} line */
  function readLine(line) {
    if (line === "") {
      if (data.length > 0 && (eventName === "" || eventName === "message")) {
        onMessage(data.join("\n"), lastEventId);
      }
      data = [];
      eventName = "";
      return;
    }
    const colon = line.indexOf(":");
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (field === "data") data.push(value);
    else if (field === "event") eventName = value;
    else if (field === "id" && !value.includes("\0")) lastEventId = value;
  }

  return (text) => {
    if (text === "") return;
    let piece = text;
    if (!begun && piece.startsWith("\uFEFF")) piece = piece.slice(1);
    begun = true;
    // A line may end in "\r\n" with the two characters in two pieces.
    if (afterReturn && piece.startsWith("\n")) piece = piece.slice(1);
    afterReturn = piece === "" ? false : piece.endsWith("\r");
    const lines = (rest + piece).split(/\r\n|\r|\n/);
    rest = /** @type {string} */ (lines.pop());
    lines.forEach(readLine);
  };
}
