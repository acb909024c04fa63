/** Numbers from 0 to 1, the same for the same seed (mulberry32), and what is made of them. */
export function createDice(seed) {
  let state = seed;
  const random = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (count) => Math.floor(random() * count);
  return {
    below,
    chance: (p) => random() < p,
    pick: (list) => list[below(list.length)],
    random,
  };
}
