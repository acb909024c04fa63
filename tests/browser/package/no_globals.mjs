// Import every entry where touching anything that only a browser has, or that a page may lack,
// is an error: on a server nothing may happen at import.
import { readFileSync } from "node:fs";

const denied = [
  "window self document navigator location localStorage sessionStorage indexedDB history",
  "EventSource BroadcastChannel SharedWorker Worker WebSocket fetch crypto performance",
  "requestAnimationFrame addEventListener setTimeout setInterval customElements HTMLElement",
]
  .join(" ")
  .split(" ");
const ofPages = ["./elements"]; // custom elements extend what only a page has
const { exports } = JSON.parse(
  readFileSync(new URL("./package.json", import.meta.resolve("headwater"))),
);
for (const name of denied) {
  const real = globalThis[name];
  Object.defineProperty(globalThis, name, {
    configurable: true,
    // Node itself needs some of them while it loads a module; the stack tells who asks.
    get() {
      if (new Error().stack.includes("/headwater/")) throw new Error(`${name} was touched`);
      return real;
    },
  });
}
const names = Object.keys(exports).filter((name) => !ofPages.includes(name));
for (const name of names) await import(`headwater${name.slice(1)}`);
console.log(names.length);
