import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";
import { act, Activity, useEffect } from "react";
import { useActivityBroadcast, usePresence } from "headwater/react";
import { complaints, createLog, Refusal, setUp } from "./stage.jsx";

beforeEach(() => {
  hidden = false;
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout"] });
});

let hidden = false;
Object.defineProperty(document, "hidden", { get: () => hidden });
const happens = (type) =>
  act(async () => void window.dispatchEvent(new window.Event(type, { bubbles: true })));
async function show(seen) {
  hidden = !seen;
  await happens("visibilitychange");
}
const pass = (ms) => act(async () => mock.timers.tick(ms));

const log = createLog();
function Here({ taskId = "t", userId = "u", userName = "Ada", userImage }) {
  log.push(usePresence(taskId, userId, userName, userImage));
}
const update = (...said) => act(async () => log.last().updateActivity(...said));
const names = ({ calls }) => calls.map(({ name }) => name.replace("presence.", ""));

for (const strict of [false, true]) {
  test(`somebody joins once, beats every 30 s, and leaves; strict: ${strict}`, async () => {
    const stage = setUp();
    const shown = await stage.render(<Here userImage="a.png" />, { strict });
    const [{ args, key }] = stage.calls;
    const { tabId, ...who } = args;
    assert.deepEqual(who, { taskId: "t", userId: "u", userName: "Ada", userImage: "a.png" });
    assert.equal(typeof tabId, "string");
    assert.equal(key, undefined, "a heartbeat may come twice, and takes no turn");
    await pass(29_999);
    assert.equal(stage.calls.length, 1);
    await pass(1);
    await pass(30_000);
    assert.deepEqual(names(stage), Array(3).fill("updatePresence"));
    assert.deepEqual(stage.calls[2].args, args);
    await shown.unmount();
    assert.deepEqual(stage.calls.slice(3).map(({ name, args }) => [name, args]), [
      ["presence.removePresence", { taskId: "t", userId: "u", tabId }],
    ]);
    await pass(120_000);
    await show(true);
    assert.equal(stage.calls.length, 4);
  });
}

test("without a task or a user nobody is anywhere; another task is left and joined", async () => {
  const stage = setUp();
  const shown = await stage.render(<Here taskId={null} />);
  await shown.render(<Here userId={null} />);
  await update("typing");
  await pass(60_000);
  assert.equal(stage.calls.length, 0);
  await shown.render(<Here taskId="one" />);
  await shown.render(<Here taskId="two" />);
  assert.deepEqual(
    stage.calls.map(({ name, args }) => [name.split(".")[1], args.taskId]).sort(),
    [["removePresence", "one"], ["updatePresence", "one"], ["updatePresence", "two"]],
  );
});

test("another name is said with the next beat, and is no leaving", async () => {
  const stage = setUp();
  const shown = await stage.render(<Here userName="Ada" />);
  await shown.render(<Here userName="Ada L." />);
  await pass(30_000);
  assert.deepEqual(names(stage), ["updatePresence", "updatePresence"]);
  assert.equal(stage.calls[1].args.userName, "Ada L.");
});

test("a hidden tab beats every 45 s, and at once when it is seen again", async () => {
  const stage = setUp();
  await stage.render(<Here />);
  await show(false);
  await pass(30_000);
  assert.equal(stage.calls.length, 2, "the beat that was due");
  await pass(44_999);
  assert.equal(stage.calls.length, 2);
  await pass(1);
  assert.equal(stage.calls.length, 3);
  await pass(10_000);
  await show(true);
  assert.equal(stage.calls.length, 4);
  await pass(30_000);
  assert.equal(stage.calls.length, 5);
});

test("a page that goes says so on its way, and one that comes back joins again", async () => {
  const stage = setUp();
  await stage.render(<Here />);
  const { taskId, userId, tabId } = stage.calls[0].args;
  await happens("pagehide");
  await show(false);
  const args = { taskId, userId, tabId };
  const farewell = { name: "presence.removePresence", args, key: undefined, keepalive: true };
  assert.deepEqual(stage.calls.slice(1), [farewell]);
  await pass(120_000);
  await update("typing");
  assert.equal(stage.calls.length, 2);
  hidden = false;
  await happens("pageshow");
  assert.equal(stage.calls.length, 3);
  assert.deepEqual([stage.calls[2].args.tabId, stage.calls[2].args.activity], [tabId, "typing"]);
});

test("a page that is back at once joins after its farewell, or it would be taken for gone", async () => {
  const answers = [];
  const stage = setUp();
  await stage.render(<Here />);
  stage.answer = () => new Promise((resolve) => answers.push(resolve));
  await update("typing");
  await happens("pagehide");
  await happens("pageshow");
  await act(async () => answers.shift()(null)); // of the update
  await pass(50);
  assert.deepEqual(names(stage), ["updatePresence", "updatePresence", "removePresence"]);
  await act(async () => answers.shift()(null));
  assert.deepEqual(names(stage).slice(3), ["updatePresence"]);
  answers.shift()(null);
});

test("what is hidden and shown again at once joins after its farewell too", async () => {
  const answers = [];
  const stage = setUp();
  const here = (mode) => <Activity mode={mode}><Here /></Activity>;
  const shown = await stage.render(here("visible"));
  stage.answer = () => new Promise((resolve) => answers.push(resolve));
  await shown.render(here("hidden"));
  await shown.render(here("visible"));
  assert.deepEqual(names(stage), ["updatePresence", "removePresence"]);
  await act(async () => answers.shift()(null));
  assert.deepEqual(names(stage).slice(2), ["updatePresence"]);
  answers.shift()(null);
  stage.answer = () => null;
});

test("moves go one at a time, and what came meanwhile goes together, the newest of each", async () => {
  const answers = [];
  const stage = setUp(undefined, () => new Promise((resolve) => answers.push(resolve)));
  const answer = () => act(async () => answers.shift()(null));
  await stage.render(<Here />, { strict: true });
  await update("typing", { x: 0, y: 0 }, { start: 1, end: 2 });
  for (let x = 1; x < 100; x += 1) await update(undefined, { x, y: 0 });
  await update("idle", undefined, null);
  assert.equal(stage.calls.length, 1);
  await answer();
  await pass(49);
  assert.equal(stage.calls.length, 1, "20 a second are enough");
  await pass(1);
  assert.equal(stage.calls.length, 2);
  const { activity, cursor, selection } = stage.calls[1].args;
  assert.deepEqual([activity, cursor, selection], ["idle", { x: 99, y: 0 }, null]);
  await answer();
  assert.equal(stage.calls.length, 2);
  await update("viewing");
  assert.deepEqual(Object.keys(stage.calls[2].args).sort(), [
    "activity", "tabId", "taskId", "userId", "userName",
  ]);
  await answer();
});

test("a beat is due 30 s after what was said last", async () => {
  const stage = setUp();
  await stage.render(<Here />);
  await pass(20_000);
  await update("typing");
  await pass(29_999);
  assert.equal(stage.calls.length, 2);
  await pass(1);
  assert.equal(stage.calls.length, 3);
});

test("who unmounts while a call is under way leaves after it", async () => {
  const answers = [];
  const stage = setUp(undefined, () => new Promise((resolve) => answers.push(resolve)));
  const shown = await stage.render(<Here />);
  await update("typing");
  await shown.unmount();
  assert.deepEqual(names(stage), ["updatePresence"]);
  await act(async () => answers.shift()(null));
  assert.deepEqual(names(stage), ["updatePresence", "removePresence"]);
  answers.shift()(null);
});

test("a child may say what it does when it mounts", async () => {
  const stage = setUp();
  function Parent() {
    const { updateActivity } = usePresence("t", "u", "Ada");
    return <Child updateActivity={updateActivity} />;
  }
  function Child({ updateActivity }) {
    useEffect(() => updateActivity("typing"), [updateActivity]);
  }
  await stage.render(<Parent />, { strict: true });
  assert.equal(stage.calls.length, 1);
  assert.equal(stage.calls[0].args.activity, "typing");
});

test("a call that fails throws nothing into the page, and the next beat comes", async () => {
  const stage = setUp(undefined, () => new Refusal("not_found"));
  await stage.render(<Here />);
  assert.match(complaints.splice(0).join(), /not_found/);
  await pass(30_000);
  assert.equal(stage.calls.length, 2);
  complaints.length = 0;
  stage.answer = () => null;
});

test("who is refused for good says nothing until the next beat, or until the page is seen again", async () => {
  const stage = setUp(undefined, () => new Refusal("forbidden"));
  await stage.render(<Here />);
  for (let x = 0; x < 10; x += 1) {
    await update(undefined, { x, y: 0 });
    await pass(1_000);
  }
  assert.equal(stage.calls.length, 1);
  await show(true);
  assert.equal(stage.calls.length, 2);
  await update("typing");
  assert.equal(stage.calls.length, 2);
  await pass(30_000);
  assert.deepEqual(names(stage), Array(3).fill("updatePresence"));
  const { cursor, activity } = stage.calls[2].args;
  assert.deepEqual([cursor, activity], [undefined, "typing"], "the cursor went with the one before");
  complaints.length = 0;
  stage.answer = () => null;
});

test("an activity is recorded where there are a task and a user", async () => {
  const stage = setUp(undefined, () => ({ _id: "a" }));
  const said = createLog();
  const Watch = ({ taskId }) => said.push(useActivityBroadcast(taskId, "u"));
  const shown = await stage.render(<Watch />);
  await said.last().broadcast("file-saved");
  assert.equal(stage.calls.length, 0);
  await shown.render(<Watch taskId="t" />);
  assert.deepEqual(await said.last().broadcast("file-saved", { path: "a" }), { _id: "a" });
  assert.deepEqual(stage.calls[0].args, {
    taskId: "t",
    userId: "u",
    activityType: "file-saved",
    metadata: { path: "a" },
  });
});
