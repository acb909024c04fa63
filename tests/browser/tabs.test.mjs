// A tab that follows, and what it makes of what it is told.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Tabs } from "../../server/browser/client/tabs.js";
import { createClock, settle } from "./fakes.mjs";

test("what comes between a message that does not fit and all of it anew leads nowhere", async () => {
  const channels = [];
  const said = [];
  const moves = [];
  const never = new Promise(() => undefined);
  class Channel {
    constructor() {
      channels.push(this);
    }
    postMessage(message) {
      said.push(message);
    }
  }
  const request = async (name, _, onHeld) => (name === "tabs" ? never : onHeld());
  Object.defineProperty(globalThis, "navigator", { value: { locks: { request } } });
  Object.assign(globalThis, { BroadcastChannel: Channel, addEventListener: () => undefined });
  const tabs = new Tabs({
    name: "tabs",
    share: true,
    clientId: "me",
    openSync: () => assert.fail("it does not lead"),
    timers: createClock().timers,
    onUpdate: (position) => moves.push(position),
  });
  await settle();
  const hear = (data) => channels[0].onmessage({ data });
  tabs.want([{ key: "q {}", function: "q", args: {} }]);
  hear({ since: 1, state: "live", clientId: "leader" });
  const { from, want } = said.findLast(({ want }) => want);
  const tell = (position, entry, turn) =>
    hear({ since: 1, to: from, position, entries: [["q {}", entry, turn]] });
  tell("1.1~b", { snapshot: ["one"] }, want[0].turn);
  tell("2.1~b", { patch: [{ op: "remove", path: "/9" }] }, want[0].turn);
  tell("3.1~b", { patch: [{ op: "add", path: "/-", value: "two" }] }, want[0].turn);
  const again = said.findLast(({ want }) => want).want;
  tell("3.1~b", { snapshot: ["one", "two"] }, again[0].turn);
  assert.deepEqual(moves, ["1.1~b", null, "3.1~b"]);
});
