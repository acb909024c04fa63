// @ts-check
/**
 * An AG-UI agent, made of the classes that its user has.
 *
 * So nothing of `@ag-ui/client` or of `rxjs` is loaded here, and there is one of each in the page.
 */

import { cancelStream } from "../client/application.js";
import { connectEvents, runEvents } from "./ag_ui_run.js";

/** @import { BaseEvent, RunAgentInput } from "@ag-ui/core" */
/** @import { AbstractAgent as Agent, AgentConfig } from "@ag-ui/client" */
/** @import { Observable as ObservableOf } from "rxjs" */
/** @import { AgUiEvent } from "./ag_ui_events.js" */
/** @import { RunOptions } from "./ag_ui_run.js" */

/**
 * @typedef {AgentConfig & { options?: RunOptions }} HeadwaterAgentConfig
 * @typedef {Agent & { options: RunOptions, runningMessageId: Promise<string> | undefined }} HeadwaterAgent
 */

/**
 * @param {object} classes
 * @param {typeof import("@ag-ui/client").AbstractAgent} classes.AbstractAgent
 * @param {typeof import("rxjs").Observable} classes.Observable
 * @returns {new (config?: HeadwaterAgentConfig) => HeadwaterAgent} A task, as an agent: `runAgent` asks,
 *   or goes on with what was cut; `connectAgent` finds what is there; `abortRun` stops the reply, for
 *   everybody, and `detachActiveRun` looks away.
 */
export function createAgentClass({ AbstractAgent, Observable }) {
  /**
   * @param {ReadableStream<AgUiEvent>} events
   * @returns {ObservableOf<BaseEvent>}
   */
  const observe = (events) =>
    new Observable((subscriber) => {
      const reader = events.getReader();
      const read = async () => {
        for (let one = await reader.read(); !one.done; one = await reader.read()) {
          subscriber.next(/** @type {any} */ (one.value));
        }
        subscriber.complete();
      };
      read().catch((error) => subscriber.error(error));
      return () => void reader.cancel();
    });

  return class HeadwaterAgent extends AbstractAgent {
    /** @type {RunOptions} */
    options;
    /** @type {Promise<string> | undefined} */
    runningMessageId;

    /** @param {HeadwaterAgentConfig} [config] */
    constructor({ options = {}, ...config } = {}) {
      super(config);
      this.options = options;
    }

    /** @param {RunAgentInput} input */
    run(input) {
      return observe(runEvents(input, this.options, (id) => (this.runningMessageId = id)));
    }

    /** @param {RunAgentInput} input */
    connect(input) {
      return observe(connectEvents(input, this.options, (id) => (this.runningMessageId = id)));
    }

    abortRun() {
      this.runningMessageId
        ?.then((messageId) => cancelStream(messageId, this.options.client))
        .catch(() => {}); // it never began, and the run has said why
    }

    /** @returns {this} */
    clone() {
      const cloned = super.clone();
      cloned.options = this.options;
      return cloned;
    }
  };
}
