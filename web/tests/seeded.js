/**
 * Numbers in [0, 1) that are the same on every run (a linear congruential generator with Knuth's constants).
 * @param {number} seed
 */
export function seeded(seed) {
  let state = BigInt(seed);
  return () => {
    state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffff_ffff_ffff_ffffn;
    return Number(state >> 32n) / 2 ** 32;
  };
}
