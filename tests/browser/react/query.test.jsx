import assert from "node:assert/strict";
import { test } from "node:test";
import { Boundary, createLog, Refusal, setUp } from "./stage.jsx";
import { setDefaultClient } from "headwater";
import { useConnectionState, useHeadwater, useIds, useItem, useMessages, useQuery, useTask } from "headwater/react";
import { act, memo } from "react";
import { createRoot } from "react-dom/client";

const pending = { data: undefined, error: undefined, status: "pending" };
const success = (data) => ({ data, error: undefined, status: "success" });

/** A component that logs what `use` gives it. */
function watcher(use) {
  const log = createLog();
  const Watch = (props) => log.push(use(props));
  return { ...log, Watch };
}

for (const strict of [false, true]) {
  test(`a query is pending, then there; strict: ${strict}`, async () => {
    const stage = setUp(() => ["one"]);
    const { Watch, last, seen } = watcher(() => useQuery("list", { of: "x" }));
    await stage.render(<Watch />, { strict });
    assert.deepEqual(last(), pending);
    await stage.tick();
    assert.deepEqual(last(), success(["one"]));
    assert.equal(stage.opened.length, 1);
    assert.equal(seen.length, strict ? 4 : 2);
  });
}

test("arguments that say the same are the same query, and render nothing", async () => {
  const stage = setUp((_, { a }) => a);
  const { Watch, last, seen } = watcher(({ args }) => useQuery("f", args));
  const shown = await stage.render(<Watch args={{ a: 1, b: [2] }} />);
  await stage.tick();
  const before = last();
  await shown.render(<Watch args={{ b: [2], a: 1 }} />);
  await stage.tick();
  assert.equal(last(), before);
  assert.equal(seen.length, 3);
  assert.equal(stage.opened.length, 1);
});

test("other arguments show nothing of the ones before", async () => {
  const stage = setUp((_, { id }) => (id === 3 ? new Refusal("not_found") : `value ${id}`));
  const log = createLog();
  function Watch({ id }) {
    const { data, error, status } = useQuery("f", { id });
    log.push([id, status, data, error?.code]);
  }
  const shown = await stage.render(<Watch id={1} />);
  await stage.tick();
  await shown.render(<Watch id={2} />);
  await stage.tick();
  await shown.render(<Watch id={3} />);
  await stage.tick();
  await shown.render(<Watch id={1} />);
  assert.deepEqual(log.seen, [
    [1, "pending", undefined, undefined],
    [1, "success", "value 1", undefined],
    [2, "pending", undefined, undefined],
    [2, "success", "value 2", undefined],
    [3, "pending", undefined, undefined],
    [3, "error", undefined, "not_found"],
    [1, "success", "value 1", undefined],
  ]);
});

test("a query that is skipped opens nothing, and may be wanted later", async () => {
  const stage = setUp(() => "there");
  const { Watch, last } = watcher(({ args }) => useQuery("f", args));
  const shown = await stage.render(<Watch args="skip" />);
  await stage.tick();
  assert.deepEqual(last(), pending);
  assert.equal(stage.opened.length, 0);
  await shown.render(<Watch args={{}} />);
  await stage.tick();
  assert.deepEqual(last(), success("there"));
  await shown.render(<Watch args="skip" />);
  assert.deepEqual(last(), pending);
  await stage.tick(10_000);
  assert.deepEqual(stage.followed(), []);
});

test("who unmounts follows nothing, a little later", async () => {
  const stage = setUp(() => 1);
  const { Watch } = watcher(() => useQuery("f", {}));
  const shown = await stage.render(<Watch />, { strict: true });
  await stage.tick();
  assert.equal(stage.followed().length, 1);
  await shown.unmount();
  await stage.tick(10_000);
  assert.equal(stage.followed().length, 0);
});

test("what is selected stays the same object while it says the same, and renders nothing", async () => {
  const rows = [{ _id: "a", text: "x" }, { _id: "b", text: "y" }];
  const stage = setUp(() => rows);
  const select = (list) => ({ ids: list.map((row) => row._id) });
  const { Watch, last, seen } = watcher(() =>
    useQuery("list", {}, { select: (list) => select(list) }),
  );
  await stage.render(<Watch />);
  await stage.tick();
  const before = last();
  assert.deepEqual(before, success({ ids: ["a", "b"] }));
  rows[1] = { _id: "b", text: "y grows" };
  await stage.tick();
  assert.equal(seen.length, 2);
  rows.push({ _id: "c", text: "" });
  await stage.tick();
  const { data } = last();
  assert.deepEqual(data, { ids: ["a", "b", "c"] });
  assert.equal(seen.length, 3);
  stage.data = () => new Refusal("unavailable", "after");
  await stage.tick();
  stage.data = () => rows;
  await stage.tick();
  assert.equal(last().status, "success");
  assert.equal(last().data, data);
});

test("what is selected may be no JSON, and is then compared by identity", async () => {
  const stage = setUp(() => [1]);
  const { Watch, last } = watcher(() => useQuery("f", {}, { select: toSet }));
  await stage.render(<Watch />);
  await stage.tick();
  assert.deepEqual([...last().data], [1]);
  stage.data = () => [1, 2];
  await stage.tick();
  assert.deepEqual([...last().data], [1, 2]);
});
const toSet = (list) => new Set(list);

test("a key of undefined is not another key", async () => {
  const stage = setUp(() => 0);
  const { Watch, last } = watcher(({ name }) => useQuery("f", {}, { select: () => ({ [name]: undefined }) }));
  const shown = await stage.render(<Watch name="a" />);
  await stage.tick();
  await shown.render(<Watch name="b" />);
  assert.deepEqual(Object.keys(last().data), ["b"]);
});

test("ids are the same empty list while they load", async () => {
  const stage = setUp();
  const { Watch, seen } = watcher(() => useIds("list", {}));
  const shown = await stage.render(<Watch />);
  await shown.render(<Watch />);
  assert.equal(seen[0], seen[1]);
});

test("a selection follows what the component selects by", async () => {
  const stage = setUp(() => ({ a: 1, b: 2 }));
  const { Watch, last } = watcher(({ name }) =>
    useQuery("f", {}, { select: (value) => value[name] }),
  );
  const shown = await stage.render(<Watch name="a" />);
  await stage.tick();
  assert.equal(last().data, 1);
  stage.data = () => new Refusal("unavailable", "after");
  await stage.tick();
  assert.deepEqual([last().data, last().status], [1, "error"]);
  await shown.render(<Watch name="b" />);
  assert.equal(last().data, 2, "of the value before the error, by what is selected now");
});

for (const [code, retry, stays] of [
  ["unavailable", "after", true],
  ["forbidden", "never", false],
]) {
  test(`beside "${code}" the last value ${stays ? "stays until the next" : "is gone"}`, async () => {
    const stage = setUp(() => ["one"]);
    const { Watch, last } = watcher(() => useQuery("list", {}, { select: (list) => list.slice() }));
    await stage.render(<Watch />);
    await stage.tick();
    const { data } = last();
    assert.deepEqual(data, ["one"]);
    stage.data = () => new Refusal(code, retry);
    await stage.tick();
    assert.equal(last().data, stays ? data : undefined);
    assert.deepEqual([last().status, last().error.code], ["error", code]);
    stage.data = () => ["one", "two"];
    await stage.tick();
    assert.deepEqual(last(), success(["one", "two"]));
  });
}

test("a bare value stays beside an error that can pass, and gives way to one that cannot", async () => {
  const stage = setUp(() => ({ title: "x" }));
  const { Watch, last } = watcher(() => useTask("t1"));
  const shown = await stage.render(<Boundary><Watch /></Boundary>);
  assert.equal(last(), undefined);
  await stage.tick();
  assert.deepEqual(last(), { title: "x" });
  stage.data = () => new Refusal("unavailable", "after");
  await stage.tick();
  assert.deepEqual(last(), { title: "x" });
  stage.data = () => new Refusal("forbidden");
  await stage.tick();
  assert.equal(shown.text(), "caught forbidden");
});

test("without an id a hook by name opens nothing, and its list is the same in each render", async () => {
  const stage = setUp(() => []);
  const { Watch, seen } = watcher(({ id }) => useMessages(id));
  const shown = await stage.render(<Watch id={undefined} />);
  await shown.render(<Watch id={null} />);
  await stage.tick();
  assert.equal(stage.opened.length, 0);
  assert.equal(seen[0], seen[1]);
  await shown.render(<Watch id="t1" />);
  await stage.tick();
  assert.deepEqual(stage.followed().map(({ args }) => args), [{ taskId: "t1" }]);
});

for (const how of ["useItem", "memo"]) {
  test(`a delta in one message renders that message alone; ${how}`, async () => {
    const messages = Array.from({ length: 200 }, (_, n) => ({ _id: `m${n}`, text: "" }));
    const stage = setUp(() => messages);
    const rendered = [];
    const args = { taskId: "t" };
    const Row = memo(({ id }) => {
      const message = useItem("messages.byTask", { ...args }, id);
      rendered.push(id);
      return <p>{message.text}</p>;
    });
    function List() {
      rendered.push("list");
      return useIds("messages.byTask", { ...args }).map((id) => <Row key={id} id={id} />);
    }
    const MemoRow = memo(({ message }) => {
      rendered.push(message._id);
      return <p>{message.text}</p>;
    });
    const MemoList = () =>
      useMessages("t").map((message) => <MemoRow key={message._id} message={message} />);
    const shown = await stage.render(how === "useItem" ? <List /> : <MemoList />);
    await stage.tick();
    rendered.length = 0;
    for (let delta = 0; delta < 5; delta += 1) {
      messages[150] = { _id: "m150", text: `${messages[150].text}.` };
      await stage.tick();
    }
    assert.deepEqual(rendered, Array(5).fill("m150"));
    assert.equal(shown.text(), ".....");
    rendered.length = 0;
    messages.push({ _id: "new", text: "n" });
    await stage.tick();
    assert.deepEqual(rendered, how === "useItem" ? ["list", "new"] : ["new"]);
  });
}

test("the item of another id is another item, also beside an error", async () => {
  const stage = setUp(() => [{ _id: "a" }, { _id: "b" }]);
  const { Watch, last } = watcher(({ id }) => useItem("list", {}, id));
  const shown = await stage.render(<Watch id="a" />);
  await stage.tick();
  stage.data = () => new Refusal("unavailable", "after");
  await stage.tick();
  assert.deepEqual(last(), { _id: "a" });
  await shown.render(<Watch id="b" />);
  assert.deepEqual(last(), { _id: "b" });
  await shown.render(<Watch id={undefined} />);
  assert.equal(last(), undefined);
});

test("another client is another page of values", async () => {
  const [one, other] = [setUp(() => "one"), setUp(() => "other")];
  const { Watch, last } = watcher(({ client }) => {
    assert.equal(typeof useHeadwater().query, "function");
    return useQuery("f", {}).data;
  });
  await one.render(<Watch />);
  await one.tick();
  assert.equal(last(), "one");
  await other.render(<Watch />);
  assert.equal(last(), undefined);
  await other.tick();
  assert.equal(last(), "other");
});

test("without a provider there is the default client", async () => {
  const stage = setUp(() => 7);
  setDefaultClient(stage.client);
  const { Watch, last } = watcher(() => useQuery("f", {}).data);
  const root = createRoot(document.createElement("div"));
  await act(async () => root.render(<Watch />));
  await stage.tick();
  assert.equal(last(), 7);
  await act(async () => root.unmount());
  setDefaultClient(undefined);
});

test("the state of the connection is seen", async () => {
  const stage = setUp(() => 1);
  const { Watch, last } = watcher(() => [useConnectionState(), useQuery("f", {}).status]);
  await stage.render(<Watch />, { strict: true });
  assert.deepEqual(last(), ["connecting", "pending"]);
  await stage.tick();
  assert.deepEqual(last(), ["live", "success"]);
});
