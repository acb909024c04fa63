import assert from "node:assert/strict";
import { test } from "node:test";
import { act } from "react";
import { useAction, useMutation, useQuery } from "headwater/react";
import { createLog, Refusal, setUp } from "./stage.jsx";

test("a mutation and an action are the same functions in every render", async () => {
  const stage = setUp(undefined, (_, args) => args.n + 1);
  const log = createLog();
  function Watch() {
    log.push([useMutation("add", { optimistic: () => undefined }), useAction("do")]);
  }
  const shown = await stage.render(<Watch />);
  await shown.render(<Watch />);
  assert.deepEqual(log.seen[0], log.seen[1]);
  const [mutate, act] = log.last();
  assert.equal(await mutate({ n: 1 }, { idempotencyKey: "k" }), 2);
  assert.equal(await act({ n: 2 }), 3);
  assert.deepEqual(stage.calls.map(({ name, args, key }) => [name, args, key.length > 0]), [
    ["add", { n: 1 }, true],
    ["do", { n: 2 }, true],
  ]);
  assert.equal(stage.calls[0].key, "k");
});

for (const how of ["option", "withOptimisticUpdate"]) {
  test(`an optimistic update is shown at once and goes when it failed; by ${how}`, async () => {
    let refuse;
    const answer = new Promise((resolve) => (refuse = () => resolve(new Refusal("conflict"))));
    const stage = setUp(() => ["one"], () => answer);
    const log = createLog();
    const option = (store, { text }) =>
      store.set("list", {}, [...(store.get("list", {}) ?? []), text]);
    const convex = (store, { text }) =>
      store.setQuery("list", {}, [...(store.getQuery("list", {}) ?? []), text]);
    let add;
    function Watch() {
      add =
        how === "option"
          ? useMutation("add", { optimistic: option })
          : useMutation("add").withOptimisticUpdate(convex);
      log.push(useQuery("list", {}).data);
    }
    await stage.render(<Watch />);
    await stage.tick();
    let failed;
    await act(async () => {
      failed = add({ text: "two" }).catch((error) => error.code);
    });
    assert.deepEqual(log.last(), ["one", "two"]);
    stage.data = () => ["zero", "one"];
    await stage.tick();
    assert.deepEqual(log.last(), ["zero", "one", "two"], "laid over what the server says now");
    refuse();
    await stage.tick();
    assert.equal(await failed, "conflict");
    assert.deepEqual(log.last(), ["zero", "one"]);
  });
}

test("what needs no arguments is asked and called without, also optimistically", async () => {
  const stage = setUp(
    () => ["one"],
    () => new Promise(() => {}),
  );
  const log = createLog();
  let clear;
  function Watch() {
    clear = useMutation("clear", { optimistic: (store, { of = [] }) => store.set("list", {}, of) });
    log.push(useQuery("list").data);
  }
  await stage.render(<Watch />);
  await stage.tick();
  assert.deepEqual(log.last(), ["one"]);
  await act(async () => void clear());
  assert.deepEqual(log.last(), []);
});
