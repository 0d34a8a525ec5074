/**
 * How many columns give the largest pictures of 16:9 without scrolling; where they would get too small, as many as
 * fit the width.
 * @param {number} count pictures
 * @param {object} room
 * @param {number} room.width
 * @param {number} room.height
 * @param {number} room.gap between tiles
 * @param {number} room.caption height of a tile beside its picture
 * @param {number} room.least smallest good width of a tile
 * @returns {{ columns: number, width: number }} width of a tile
 */
export function fit(count, { width, height, gap, caption, least }) {
  const most = Math.max(1, Math.min(count, Math.floor((width + gap) / (least + gap))));
  let best = { columns: most, width: (width - gap * (most - 1)) / most };
  let widest = 0;
  for (let columns = 1; columns <= most; columns += 1) {
    const rows = Math.ceil(count / columns);
    const byWidth = (width - gap * (columns - 1)) / columns;
    const byHeight = (((height - gap * (rows - 1)) / rows - caption) * 16) / 9;
    const tile = Math.min(byWidth, byHeight);
    if (tile >= least && tile > widest) {
      widest = tile;
      best = { columns, width: tile };
    }
  }
  return best;
}

/**
 * The tile that an arrow key leads to.
 * @param {string} key
 * @param {number} at index of the focused tile
 * @param {number} count
 * @param {number} columns
 * @returns {number | null} null if the key leads nowhere
 */
export function neighbour(key, at, count, columns) {
  /** @type {Record<string, number>} */
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  if (key === 'Home') return 0;
  if (key === 'End') return count - 1;
  const step = steps[key];
  const to = step === undefined ? -1 : at + step;
  return to >= 0 && to < count ? to : null;
}
