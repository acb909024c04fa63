import assert from "node:assert/strict";
import { test } from "node:test";
import { act, startTransition, Suspense, useState } from "react";
import { renderToPipeableStream, renderToString } from "react-dom/server";
import { HeadwaterProvider, useQuery, useSuspenseQuery } from "headwater/react";
import { Boundary, Refusal, setUp } from "./stage.jsx";
import { PassThrough } from "node:stream";
import { text } from "node:stream/consumers";

const Value = ({ id = 1, ...options }) => <b>{useSuspenseQuery("f", { id }, options)}</b>;
const waiting = <i>waiting</i>;
const suspended = (inner) => <Boundary><Suspense fallback={waiting}>{inner}</Suspense></Boundary>;

for (const strict of [false, true]) {
  test(`a component suspends until its value is there, and follows it; strict: ${strict}`, async () => {
    const stage = setUp((_, { id }) => `value ${id}`);
    const shown = await stage.render(suspended(<Value />), { strict });
    assert.equal(shown.text(), "waiting");
    await stage.tick();
    assert.equal(shown.text(), "value 1");
    stage.data = () => "another";
    await stage.tick(10_000);
    assert.equal(shown.text(), "another");
    assert.equal(stage.opened.length, 1);
  });
}

test("several that wait for one query show it together, and nothing is followed for the wait", async () => {
  const stage = setUp(() => "there");
  const shown = await stage.render(suspended(<><Value /><Value /><Value id={2} /></>));
  await stage.tick();
  await stage.tick();
  assert.equal(shown.text(), "theretherethere");
  await shown.unmount();
  await stage.tick(60_000);
  assert.deepEqual(stage.followed(), []);
});

test("an error goes to the boundary, except one that can pass beside a value", async () => {
  const stage = setUp(() => "there");
  const shown = await stage.render(suspended(<Value />));
  await stage.tick();
  stage.data = () => new Refusal("unavailable", "after");
  await stage.tick();
  assert.equal(shown.text(), "there");
  stage.data = () => new Refusal("forbidden");
  await stage.tick();
  assert.equal(shown.text(), "caught forbidden");

  const other = setUp(() => new Refusal("unavailable", "after"));
  const early = await other.render(suspended(<Value />));
  await other.tick();
  assert.equal(early.text(), "caught unavailable");
});

test("in a transition the value before stays until the next is there", async () => {
  const stage = setUp((_, { id }) => `value ${id}`);
  let setId;
  function Page() {
    const [id, set] = useState(1);
    setId = set;
    return suspended(<Value id={id} />);
  }
  const shown = await stage.render(<Page />, { strict: true });
  await stage.tick();
  await act(async () => startTransition(() => setId(2)));
  assert.equal(shown.text(), "value 1");
  await stage.tick();
  assert.equal(shown.text(), "value 2");
  await act(async () => setId(3));
  assert.equal(shown.container.querySelector("b").style.display, "none");
  await stage.tick();
  assert.equal(shown.text(), "value 3");
});

const preloaded = { function: "f", args: { id: 1 }, value: "preloaded", position: "0.1~b" };

function Both() {
  const { data, status } = useQuery("f", { id: 1 }, { preloaded });
  return <p>{status} {data} <Value preloaded={preloaded} /></p>;
}

test("a server renders what was preloaded, and a page takes it over without a word", async () => {
  const server = setUp();
  const html = renderToString(
    <HeadwaterProvider client={server.client}>
      <Suspense fallback={waiting}><Both /></Suspense>
    </HeadwaterProvider>,
  );
  assert.equal(html.replaceAll(/<[^>]*>/g, ""), "success preloaded preloaded");
  assert.equal(server.opened.length, 0);

  const stage = setUp(() => "newer");
  const shown = await stage.hydrate(html, <Suspense fallback={waiting}><Both /></Suspense>);
  assert.equal(shown.text(), "success preloaded preloaded");
  await stage.tick();
  assert.equal(shown.text(), "success newer newer");
  assert.deepEqual(stage.opened[0].queries.map(({ from }) => from), ["0.1~b"]);
});

test("what is known already does not disturb taking over a page that was rendered pending", async () => {
  const Pending = () => <p>{useQuery("f", { id: 1 }).status}</p>;
  const stage = setUp(() => "there");
  await stage.render(<Pending />);
  await stage.tick();
  const shown = await stage.hydrate("<p>pending</p>", <Pending />);
  assert.equal(shown.text(), "success");
});

test("without a preload a server that waits renders the value", async () => {
  const stage = setUp(() => "awaited");
  const rendered = new Promise((resolve, reject) => {
    const { pipe } = renderToPipeableStream(
      <HeadwaterProvider client={stage.client}>
        <Suspense fallback={waiting}><Value /></Suspense>
      </HeadwaterProvider>,
      { onAllReady: () => resolve(text(pipe(new PassThrough()))), onError: reject },
    );
  });
  await stage.clock.advance(0);
  await stage.tick();
  assert.match(await rendered, /awaited/);
});
