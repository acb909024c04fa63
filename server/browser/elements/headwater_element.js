// @ts-check
/**
 * What every element of ours begins from: its client, its task, its style sheets, what it follows.
 *
 * All of it is in the light DOM, so that the page around it can style it. An element builds what it
 * shows once, and keeps it while it is moved; it follows nothing while it is in no document.
 *
 *     headwater-problem    {error}: what failed, or null when all is well again. Who prevents the
 *                          default shows it elsewhere; otherwise the element does.
 *     unavailable          an attribute: the server has no function for this, so nothing is shown
 */

import { createClient } from "../client/create_client.js";
import { defaultClient } from "../client/default_client.js";
import { element, setText } from "./dom.js";
import { bringSheets } from "./sheets.js";

/** @import { Client } from "../client.js" */

const theme = new URL("./theme.css", import.meta.url).href;

/** @type {Map<string, Client>} */
const clientsByServer = new Map();

export class HeadwaterElement extends HTMLElement {
  /** Whether it shows nothing without a task. */
  static needsTask = true;
  /** @type {readonly string[]} Addresses of its own, beside the theme's. */
  static sheets = [];
  static observedAttributes = ["task", "server"];

  #built = false;
  #restarting = false;
  /** @type {Client | undefined} */
  #given;
  /** @type {{ client: Client | null, taskId: string | null }} Of which something may be shown. */
  #shown = { client: null, taskId: null };
  /** @type {(() => void)[]} */
  #endings = [];
  #troubled = false;
  /** @type {HTMLElement | null} */
  #problem = null;

  /** What it asks; absent: the `server` that is named, or the default client. */
  get client() {
    return this.#given ?? clientOf(this.getAttribute("server"));
  }

  set client(client) {
    this.#given = client;
    this.restart();
  }

  get taskId() {
    return this.getAttribute("task") || null;
  }

  connectedCallback() {
    const { sheets } = /** @type {typeof HeadwaterElement} */ (this.constructor);
    bringSheets(this, [theme, ...sheets]);
    this.#adopt();
    if (!this.#built) this.build();
    this.#built = true;
    this.restart();
  }

  disconnectedCallback() {
    this.#end();
  }

  /**
   * @param {string} _name
   * @param {string | null} before
   * @param {string | null} after
   */
  attributeChangedCallback(_name, before, after) {
    if (before !== after) this.restart();
  }

  /** Make what is there whatever is shown; called once. */
  build() {}

  /** Show nothing: another task, or another server, begins. */
  clear() {}

  /**
   * Follow what is shown, by `follow` and `whenStopped`.
   * @param {Client} _client
   * @param {string} _taskId
   */
  start(_client, _taskId) {}

  /** Begin anew, once, when what is being changed has been changed. */
  restart() {
    if (!this.#built || this.#restarting) return;
    this.#restarting = true;
    queueMicrotask(() => {
      this.#restarting = false;
      this.#end();
      if (this.isConnected) this.#begin();
    });
  }

  #begin() {
    const { client, taskId } = this;
    const { needsTask } = /** @type {typeof HeadwaterElement} */ (this.constructor);
    if (client !== this.#shown.client || taskId !== this.#shown.taskId) {
      this.#shown = { client, taskId };
      this.removeAttribute("unavailable");
      this.report(null);
      this.clear();
    }
    if (taskId !== null || !needsTask) this.start(client, taskId ?? "");
  }

  #end() {
    for (const end of this.#endings.splice(0)) end();
  }

  /** A client that was given before the element was defined is a property of its own. */
  #adopt() {
    if (!Object.hasOwn(this, "client")) return;
    const given = this.client;
    Reflect.deleteProperty(this, "client");
    this.client = given;
  }

  /**
   * Hear a query's value while the element is shown.
   * @template T
   * @param {string} functionName
   * @param {Record<string, unknown>} args
   * @param {(value: T) => void} onChange
   * @param {(error: Error) => void} [onError]
   */
  follow(functionName, args, onChange, onError = (error) => this.report(error)) {
    let failed = false;
    const unsubscribe = this.#shown.client?.subscribe(functionName, args, {
      onChange: (/** @type {any} */ value) => {
        this.removeAttribute("unavailable");
        if (failed) this.report(null);
        failed = false;
        onChange(value);
      },
      onError: (error) => {
        if (error.code === "unknown_function") return this.setAttribute("unavailable", "");
        failed = true;
        onError(error);
      },
    });
    if (unsubscribe) this.whenStopped(unsubscribe);
  }

  /** @param {() => void} end Called once, when the element goes or begins anew. */
  whenStopped(end) {
    this.#endings.push(end);
  }

  /**
   * Say that something failed, or that nothing does any more.
   * @param {unknown} error Null: all is well.
   */
  report(error) {
    if (error === null && !this.#troubled) return;
    this.#troubled = error !== null;
    const unshown = this.emit("headwater-problem", { error }, { cancelable: true });
    if (!unshown) return;
    this.#problem ??= element("p", "problem");
    this.#problem.role = "alert";
    if (!this.#problem.isConnected) this.append(this.#problem);
    this.#problem.hidden = error === null;
    setText(this.#problem, error instanceof Error ? error.message : "");
  }

  /**
   * Do something that a person asked for; whether it was done. What fails is told.
   * @param {Promise<unknown>} call
   */
  async told(call) {
    try {
      await call;
      this.report(null);
      return true;
    } catch (error) {
      this.report(error);
      return false;
    }
  }

  /**
   * @param {string} type
   * @param {object} detail
   * @param {{ cancelable?: boolean }} [options]
   * @returns {boolean} False where somebody prevented the default.
   */
  emit(type, detail, { cancelable = false } = {}) {
    const event = new CustomEvent(type, { detail, cancelable, bubbles: true, composed: true });
    return this.dispatchEvent(event);
  }
}

/** @param {string | null} server */
function clientOf(server) {
  if (!server) return defaultClient();
  const known = clientsByServer.get(server) ?? createClient({ url: server });
  clientsByServer.set(server, known);
  return known;
}
