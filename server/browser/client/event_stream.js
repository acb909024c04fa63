// @ts-check
/**
 * The text/event-stream format, read from text as it comes.
 *
 * For streams that are read with `fetch`; an EventSource reads its own. What one event may take is
 * bounded, and each character is looked at once, however small the pieces are.
 *
 * Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */

import { eventLengthMax } from "./limits.js";

/**
 * @param {(data: string, lastEventId: string) => void} onMessage Called for unnamed events only.
 * @returns {(text: string) => void} Takes the decoded stream in pieces of any size, without a byte
 *   order mark, which decoders take away. Throws a RangeError at an event that is too long.
 */
export function createEventStreamParser(onMessage) {
  let line = "";
  let afterReturn = false;
  let lastEventId = "";
  let eventName = "";
  let dataLength = 0;
  /** @type {string[]} */
  let data = [];

  function endLine() {
    if (line === "") {
      if (data.length > 0 && (eventName === "" || eventName === "message")) {
        onMessage(data.join("\n"), lastEventId);
      }
      data = [];
      dataLength = 0;
      eventName = "";
      return;
    }
    const [, field, value] = /** @type {any} */ (/^([^:]*):? ?(.*)$/s.exec(line));
    if (field === "data") {
      data.push(value);
      dataLength += value.length + 1;
    } else if (field === "event") eventName = value;
    else if (field === "id" && !value.includes("\0")) lastEventId = value;
    line = "";
  }

  return (text) => {
    if (text === "") return;
    // A line may end in "\r\n" with the two characters in two pieces.
    const piece = afterReturn && text.startsWith("\n") ? text.slice(1) : text;
    afterReturn = piece.endsWith("\r");
    piece.split(/\r\n|\r|\n/).forEach((part, index) => {
      if (index > 0) endLine();
      line += part;
      if (line.length + dataLength > eventLengthMax) {
        throw new RangeError("An event is too long.");
      }
    });
  };
}
