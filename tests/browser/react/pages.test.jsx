import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { act } from "react";
import { usePaginatedQuery } from "headwater/react";
import { pageOf } from "./pages.mjs";
import { Boundary, createLog, Refusal, setUp } from "./stage.jsx";

async function setUpList(numbers, { args = { of: "x" }, strict = true } = {}) {
  const stage = setUp((_, bounds) => pageOf(numbers, bounds));
  const log = createLog();
  function Watch({ args }) {
    log.push(usePaginatedQuery("list", args, { initialNumItems: 3 }));
  }
  const shown = await stage.render(<Boundary><Watch args={args} /></Boundary>, { strict });
  const numbersShown = () => log.last().results.map(({ _id }) => Number(_id.slice(1)));
  return { ...log, log, stage, shown, numbersShown, Watch };
}

const upTo = (count) => Array.from({ length: count }, (_, n) => n * 10);

test("pages are read one after another until the list is exhausted", async () => {
  const { last, numbersShown, stage } = await setUpList(upTo(7));
  assert.deepEqual(
    [last().status, last().isLoading, last().results],
    ["LoadingFirstPage", true, []],
  );
  last().loadMore(5);
  await stage.tick();
  assert.deepEqual([last().status, last().isLoading], ["CanLoadMore", false]);
  assert.deepEqual(numbersShown(), [0, 10, 20]);
  await act(async () => {
    last().loadMore(2);
    last().loadMore(2);
  });
  assert.deepEqual([last().status, last().isLoading], ["LoadingMore", true]);
  assert.deepEqual(numbersShown(), [0, 10, 20]);
  const first = last().results;
  await stage.tick();
  assert.deepEqual(numbersShown(), [0, 10, 20, 30, 40]);
  for (const [n, item] of first.entries()) assert.equal(last().results[n], item, "no row renders");
  assert.equal(last().status, "CanLoadMore");
  await act(async () => last().loadMore(10));
  await stage.tick();
  assert.deepEqual(numbersShown(), upTo(7));
  assert.equal(last().status, "Exhausted");
  await act(async () => last().loadMore(10));
  assert.equal(last().status, "Exhausted");
  await stage.tick(60_000);
  assert.equal(stage.followed().length, 3, "what pages were before is followed no more");
});

test("what comes and goes between pages is neither lost nor shown twice", async () => {
  const numbers = upTo(12);
  const { last, numbersShown, stage } = await setUpList(numbers);
  await stage.tick();
  for (let round = 0; round < 3; round += 1) {
    await act(async () => last().loadMore(3));
    numbers.splice(round, 1);
    numbers.push(19 + round, 20.5 + round);
    numbers.sort((a, b) => a - b);
    await stage.tick();
    assert.deepEqual(numbersShown(), numbers.slice(0, numbersShown().length));
  }
  numbers.splice(2, 5);
  await stage.tick();
  assert.deepEqual(numbersShown(), numbers.slice(0, numbersShown().length));
});

test("a page that has grown too long is divided, with no moment without it", async () => {
  const numbers = upTo(6);
  const { log, last, numbersShown, stage } = await setUpList(numbers);
  await stage.tick();
  await act(async () => last().loadMore(3));
  await stage.tick();
  numbers.push(...Array.from({ length: 30 }, (_, n) => 0.1 + n / 10));
  numbers.sort((a, b) => a - b);
  log.seen.length = 0;
  for (let round = 0; round < 8; round += 1) await stage.tick();
  assert.deepEqual(numbersShown(), numbers);
  for (const { results, status } of log.seen) {
    assert.equal(results.length, 36);
    assert.equal(status, "Exhausted");
  }
  await stage.tick(60_000);
  const sizes = stage.followed().map(({ args }) => pageOf(numbers, args).page.length);
  assert.ok(sizes.length > 5 && Math.max(...sizes) <= 6, `pages of ${sizes}`);
});

test("a change that no page shows renders nothing, and what did not change is the same", async () => {
  const numbers = upTo(5);
  const { last, seen, stage } = await setUpList(numbers, { strict: false });
  await stage.tick();
  const before = last();
  const renders = seen.length;
  numbers.push(1000);
  await stage.tick();
  assert.equal(seen.length, renders);
  numbers.unshift(-1);
  await stage.tick();
  assert.equal(last().results[1], before.results[0]);
  assert.equal(last().loadMore, before.loadMore);
  const { results } = last();
  await act(async () => last().loadMore(1));
  assert.equal(last().status, "LoadingMore");
  assert.equal(last().results, results);
});

test("rows are compared with those of the layout before once, not at each reading", async () => {
  const numbers = upTo(100);
  const { last, shown, stage, Watch } = await setUpList(numbers, { strict: false });
  await stage.tick();
  await act(async () => last().loadMore(97));
  await stage.tick();
  assert.equal(last().results.length, 100);
  const compared = mock.method(Object, "keys");
  await shown.render(<Boundary><Watch args={{ of: "x" }} /></Boundary>);
  compared.mock.restore();
  const rows = compared.mock.calls.filter(({ arguments: [value] }) => value?._id);
  assert.equal(rows.length, 0);
});

test("rows without an id, rows that are no documents, and the same row twice are shown", async () => {
  const rows = [null, 1, "one", { n: 1 }, { n: 2 }, { n: 1 }, [1], { _id: "a", n: 1 }, { _id: "a", n: 2 }];
  const { last, stage } = await setUpList(upTo(9), { strict: false });
  stage.data = (_, { after, until }) => ({
    page: rows,
    isDone: after !== undefined,
    continueCursor: until ?? "1",
    splitCursor: null,
  });
  await stage.tick();
  assert.deepEqual(last().results, rows);
  await act(async () => last().loadMore(3));
  await stage.tick();
  assert.deepEqual(last().results, [...rows, ...rows]);
});

test("other arguments begin anew, and arguments that say the same go on", async () => {
  const { last, numbersShown, seen, shown, stage, Watch } = await setUpList(upTo(9), { strict: false });
  await stage.tick();
  await act(async () => last().loadMore(3));
  await stage.tick();
  const before = last();
  await shown.render(<Boundary><Watch args={{ of: "x" }} /></Boundary>);
  assert.equal(last(), before);
  await shown.render(<Boundary><Watch args={{ of: "y" }} /></Boundary>);
  assert.deepEqual([last().status, last().results], ["LoadingFirstPage", []]);
  await stage.tick();
  assert.deepEqual(numbersShown(), [0, 10, 20]);
  await shown.render(<Boundary><Watch args="skip" /></Boundary>);
  assert.deepEqual([last().status, last().results], ["LoadingFirstPage", []]);
  assert.ok(seen.length < 12);
});

test("an error that can pass keeps the pages, another goes to the boundary", async () => {
  const { last, numbersShown, shown, stage } = await setUpList(upTo(9));
  await stage.tick();
  const { data } = stage;
  stage.data = () => new Refusal("unavailable", "after");
  await stage.tick();
  assert.deepEqual(numbersShown(), [0, 10, 20]);
  await act(async () => last().loadMore(3));
  await stage.tick();
  assert.equal(last().status, "LoadingMore");
  stage.data = data;
  await stage.tick();
  assert.deepEqual(numbersShown(), [0, 10, 20, 30, 40, 50]);
  stage.data = () => new Refusal("invalid_arguments");
  await stage.tick();
  assert.equal(shown.text(), "caught invalid_arguments");
});
