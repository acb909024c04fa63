// @ts-check
/**
 * What a terminal makes of a command's output, as far as a page can show it: colours and weights.
 *
 * Text comes in pieces, cut anywhere, an escape sequence too. Sequences that move a cursor or change
 * the screen are left out; a carriage return alone begins its line again.
 *
 * Source: ECMA-48, "SGR" and the forms of control sequences; xterm's OSC.
 */

/**
 * A run of text of one look. `restart` is true where it takes the place of what its line had.
 * @typedef {{ text: string, look: string, restart: boolean }} Run
 */

/** An unfinished sequence that is longer is no sequence. */
const pendingLengthMax = 4_096;

// A control sequence (CSI), a string (OSC, DCS, …), another escape, or a control character.
const control =
  /\x1b\[([0-?]*)[ -/]*([@-~])|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-Z\\`-~]|\r\n?|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]/g;

/** What may be the beginning of a sequence, at the end of a piece. */
const unfinished = /(?:\x1b(?:\[[0-?]*[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?|[ -/]*)?|\r)$/;

const colours = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];

export class Ansi {
  #pending = "";
  #colour = "";
  #background = "";
  /** @type {Set<string>} */
  #weights = new Set();
  #restart = false;

  /**
   * @param {string} piece
   * @returns {Run[]}
   */
  feed(piece) {
    let text = this.#pending + piece;
    const rest = unfinished.exec(text)?.[0] ?? "";
    this.#pending = rest.length <= pendingLengthMax ? rest : "";
    if (rest) text = text.slice(0, -rest.length);
    /** @type {Run[]} */
    const runs = [];
    let from = 0;
    for (const found of text.matchAll(control)) {
      this.#add(runs, text.slice(from, found.index));
      from = found.index + found[0].length;
      if (found[0] === "\r\n") this.#add(runs, "\n");
      else if (found[0] === "\r") this.#restart = true;
      else if (found[2] === "m") this.#dress(found[1] ?? "");
    }
    this.#add(runs, text.slice(from));
    return runs;
  }

  /**
   * @param {Run[]} runs
   * @param {string} text
   */
  #add(runs, text) {
    if (text === "") return;
    const look = [this.#colour, this.#background, ...this.#weights].filter(Boolean).join(" ");
    const last = runs.at(-1);
    // What a carriage return began again is not empty where a line's end follows it.
    const restart = this.#restart && !text.startsWith("\n");
    this.#restart = false;
    if (last && last.look === look && !restart) last.text += text;
    else runs.push({ text, look, restart });
  }

  /** @param {string} parameters */
  #dress(parameters) {
    const codes = parameters.split(/[;:]/).map((code) => Number(code) || 0);
    for (let at = 0; at < codes.length; at += 1) {
      const code = codes[at] ?? 0;
      if (code === 0) {
        this.#colour = this.#background = "";
        this.#weights.clear();
      } else if (code === 1) this.#weights.add("bold");
      else if (code === 2) this.#weights.add("dim");
      else if (code === 3) this.#weights.add("italic");
      else if (code === 4) this.#weights.add("underline");
      else if (code === 22) {
        this.#weights.delete("bold");
        this.#weights.delete("dim");
      } else if (code === 23) this.#weights.delete("italic");
      else if (code === 24) this.#weights.delete("underline");
      else if (code === 39) this.#colour = "";
      else if (code === 49) this.#background = "";
      else if (code >= 30 && code <= 37) this.#colour = colours[code - 30] ?? "";
      else if (code >= 90 && code <= 97) this.#colour = colours[code - 90] ?? "";
      else if (code >= 40 && code <= 47) this.#background = `on-${colours[code - 40]}`;
      else if (code >= 100 && code <= 107) this.#background = `on-${colours[code - 100]}`;
      else if (code === 38 || code === 48) {
        // One of 256, of which the first sixteen have names, or red, green and blue.
        const index = codes[at + 1] === 5 ? (codes[at + 2] ?? 16) : 16;
        const named = index < 16 ? (colours[index % 8] ?? "") : "";
        if (code === 38) this.#colour = named;
        else this.#background = named && `on-${named}`;
        at += codes[at + 1] === 5 ? 2 : codes[at + 1] === 2 ? 4 : 0;
      }
    }
  }
}
