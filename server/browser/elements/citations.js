// @ts-check
/** Texts that cite: each source with a number. */

/** @import { Citation, TextPart } from "../client/documents.js" */

/**
 * @typedef {object} Source
 * @property {string} title
 * @property {string} href "" where there is no address that a browser should open.
 * @property {string} quote
 */

const digits = "⁰¹²³⁴⁵⁶⁷⁸⁹";

/** The sources of one message, numbered as they come, each once. */
export class Sources {
  /** @type {Map<string, number>} */
  #numbers = new Map();
  /** @type {Source[]} */
  list = [];

  /**
   * @param {Citation} citation
   * @returns {number} From 1.
   */
  number(citation) {
    const source = sourceOf(citation);
    const key = JSON.stringify(source);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.list.push(source);
    this.#numbers.set(key, this.list.length);
    return this.list.length;
  }
}

/**
 * The Markdown of a part, and after it the numbers of what it cites.
 * @param {TextPart} part
 * @param {Sources} sources
 */
export function citedText({ text, citations }, sources) {
  const numbers = new Set((citations ?? []).map((each) => sources.number(each)));
  return text + [...numbers].map((number) => mark(number, sources)).join("");
}

/**
 * @param {number} number
 * @param {Sources} sources
 */
function mark(number, sources) {
  const raised = [...String(number)].map((digit) => digits[Number(digit)]).join("");
  const href = sources.list[number - 1]?.href;
  return href ? `[${raised}](${href})` : raised;
}

/**
 * @param {Citation} citation
 * @returns {Source}
 */
function sourceOf({ url, source, title, document_title, cited_text }) {
  const href = hrefOf(url ?? source ?? "");
  return { title: title || document_title || href || "A document", href, quote: cited_text ?? "" };
}

/** @param {string} address */
function hrefOf(address) {
  if (!URL.canParse(address)) return "";
  const { protocol, href } = new URL(address);
  // A bracket would end the link in Markdown.
  if (protocol !== "http:" && protocol !== "https:") return "";
  return href.replaceAll("(", "%28").replaceAll(")", "%29");
}
