// A document for React, which looks for one when it is imported.

import { Window } from "happy-dom";

const window = new Window({ url: "http://server/" });
globalThis.window = window;
globalThis.HTMLElement = window.HTMLElement;
for (const name of ["document", "navigator", "addEventListener", "removeEventListener"]) {
  const value = typeof window[name] === "function" ? window[name].bind(window) : window[name];
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}
globalThis.IS_REACT_ACT_ENVIRONMENT = true;
