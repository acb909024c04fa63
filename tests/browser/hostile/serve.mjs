// The hostile server for a real browser: it serves the page that runs the scenarios, too.
//
//     node serve.mjs     prints the URL, and ends with its standard input
import { readFileSync } from "node:fs";
import { SCENARIOS } from "./scenarios.mjs";
import { answer, createHostileServer, FIRST, LAST } from "./server.mjs";

const BROWSER = new URL("../../../server/browser/", import.meta.url);
const names = [...SCENARIOS.keys()];
const asked = [];

/** What is served of the page; undefined: nothing, it is a stream that is asked for. */
function page(path) {
  const script = { "Content-Type": "text/javascript" };
  const json = (value) =>
    answer(200, JSON.stringify(value), { "Content-Type": "application/json" });
  if (path === "/") return answer(200, "<!doctype html><title>Hostile</title>");
  if (path === "/favicon.ico") return answer(204);
  if (path === "/survive.js") {
    return answer(200, readFileSync(new URL("client.mjs", import.meta.url), "utf8"), script);
  }
  if (path.startsWith("/browser/")) {
    return answer(200, readFileSync(new URL(path.slice(9), BROWSER), "utf8"), script);
  }
  if (path === "/scenarios") return json({ names, FIRST, LAST });
  const [, begin, index] = path.match(/^\/(begin|asked)\/(\d+)$/) ?? [];
  if (begin === "begin") {
    const run = hostile.run(SCENARIOS.get(names[index]));
    asked[index] = run.asked;
    return json(run.url);
  }
  return begin === "asked" ? json(asked[index]) : undefined;
}

const hostile = await createHostileServer(page);
console.log(hostile.url);
process.stdin.resume().on("end", () => process.exit());
