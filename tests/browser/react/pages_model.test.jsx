// A list read page by page while documents come and go at any time: what is shown has no gap and
// nothing twice, and in the end it is the list.

import assert from "node:assert/strict";
import { test } from "node:test";
import { act } from "react";
import { usePaginatedQuery } from "headwater/react";
import { createDice } from "../dice.mjs";
import { createLog, Refusal, setUp } from "./stage.jsx";
import { pageOf } from "./pages.mjs";

const SEED = Number(process.env.HEADWATER_SEED ?? 20261126);
const SCHEDULES = process.env.HEADWATER_FUZZ ? 400 : 25;

async function run(seed) {
  const dice = createDice(seed);
  const numbers = Array.from({ length: dice.below(30) }, (_, n) => n * 10);
  let failing = 0;
  const stage = setUp((_, bounds) => {
    if (failing > 0 && dice.chance(0.3)) return new Refusal("unavailable", "after");
    return dice.chance(0.1) && !stage.isResting ? undefined : pageOf(numbers, bounds);
  });
  const log = createLog();
  function Watch() {
    log.push(usePaginatedQuery("list", { of: "x" }, { initialNumItems: 3 }));
  }
  const shown = await stage.render(<Watch />, { strict: dice.chance(0.5) });
  const ids = () => log.last().results.map(({ _id }) => Number(_id.slice(1)));
  for (let left = dice.below(40); left > 0; left -= 1) {
    const choice = dice.below(8);
    if (choice <= 1) numbers.splice(dice.below(numbers.length + 1), dice.below(6));
    else if (choice <= 4) {
      const at = dice.random() * 300;
      for (let more = dice.below(8); more > 0; more -= 1) numbers.push(at + more / 100);
      numbers.sort((a, b) => a - b);
    } else if (choice === 5) await act(async () => log.last().loadMore(1 + dice.below(6)));
    else if (choice === 6) failing = failing ? 0 : 1;
    if (dice.chance(0.6)) await stage.tick(dice.pick([0, 0, 10, 6_000]));
    const now = ids();
    assert.equal(new Set(now).size, now.length, `seed ${seed}: twice in ${now}`);
    assert.deepEqual(now, [...now].sort((a, b) => a - b), `seed ${seed}: out of order`);
  }
  failing = 0;
  stage.isResting = true;
  for (let round = 0; round < 12; round += 1) await stage.tick();
  assert.deepEqual(ids(), numbers.slice(0, ids().length), `seed ${seed}: a gap`);
  for (let round = 0; log.last().status !== "Exhausted"; round += 1) {
    assert.ok(round < 50, `seed ${seed}: it never ends, ${log.last().status}`);
    await act(async () => log.last().loadMore(20));
    for (let tick = 0; tick < 6; tick += 1) await stage.tick();
  }
  assert.deepEqual(ids(), numbers, `seed ${seed}: not the list`);
  await shown.unmount();
  stage.client.close();
}

test(`pages have neither gaps nor repeats, whatever comes and goes, from seed ${SEED}`, async () => {
  for (let number = 0; number < SCHEDULES; number += 1) await run(SEED + number);
});
