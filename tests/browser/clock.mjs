// Reads the clock that programs read in the test picture. `crates/worker/src/picture/clock.rs` specifies it.

const COLUMNS = 80;
const ROWS = 45;
const BLOCK_ROWS = [2, 3];
const FIRST_BIT = 4;
const WHITE_MARKERS = [2, 37];
const BLACK_MARKERS = [3, 36];
const MIN_CONTRAST = 60;

// The part of a picture of `width` x `height` that must be read back, in pixels.
export function clockRegion(width, height) {
  const x = Math.floor((2 * width) / COLUMNS);
  const y = Math.floor((2 * height) / ROWS);
  return { x, y, w: Math.floor((38 * width) / COLUMNS) - x, h: Math.floor((4 * height) / ROWS) - y };
}

// Reads the clock of a picture of `width` x `height` from the RGBA `pixels` of its `region`.
// Gives `{ millis, frame }`, or null if there is no clock in it for sure.
export function readClock(pixels, region, width, height) {
  if (width < COLUMNS || height < ROWS) return null;
  const cell = (column, row) => brightness(pixels, region, span(column, width, COLUMNS), span(row, height, ROWS));
  const mean = (columns) => columns.flatMap((c) => BLOCK_ROWS.map((r) => cell(c, r))).reduce((a, b) => a + b) / 4;
  const white = mean(WHITE_MARKERS);
  const black = mean(BLACK_MARKERS);
  if (white < black + MIN_CONTRAST) return null;
  const threshold = (white + black) / 2;
  const [millis, rest] = BLOCK_ROWS.map((row) => {
    let word = 0;
    for (let bit = 0; bit < 32; bit++) word = (word << 1) | (cell(FIRST_BIT + bit, row) > threshold ? 1 : 0);
    return word >>> 0;
  });
  const frame = rest >>> 16;
  return crc16(bytesOf(millis, frame)) === (rest & 0xffff) ? { millis, frame } : null;
}

// First pixel and end of the middle of cell `i` of `n` across `size` pixels.
function span(i, size, n) {
  const from = Math.floor((i * size) / n);
  const to = Math.floor(((i + 1) * size) / n);
  const margin = Math.floor((to - from) / 4);
  return [from + margin, to - margin];
}

function brightness(pixels, region, [left, right], [top, bottom]) {
  let sum = 0;
  for (let y = top; y < bottom; y++) {
    let at = ((y - region.y) * region.w + left - region.x) * 4 + 1;
    for (let x = left; x < right; x++, at += 4) sum += pixels[at];
  }
  return sum / ((right - left) * (bottom - top));
}

// The same blocks as a list of rectangles, for drawing a clock where there is no neverblink.
export function clockBlocks(millis, frame, width, height) {
  const words = [millis >>> 0, ((frame << 16) | crc16(bytesOf(millis, frame))) >>> 0];
  const blocks = [];
  const add = (column, row, white) => {
    const [x, y] = [Math.floor((column * width) / COLUMNS), Math.floor((row * height) / ROWS)];
    const [right, bottom] = [Math.floor(((column + 1) * width) / COLUMNS), Math.floor(((row + 1) * height) / ROWS)];
    blocks.push({ x, y, w: right - x, h: bottom - y, white });
  };
  BLOCK_ROWS.forEach((row, i) => {
    WHITE_MARKERS.forEach((c) => add(c, row, true));
    BLACK_MARKERS.forEach((c) => add(c, row, false));
    for (let bit = 0; bit < 32; bit++) add(FIRST_BIT + bit, row, ((words[i] >>> (31 - bit)) & 1) === 1);
  });
  return blocks;
}

// Pictures of a clock that go on for ever.
export function drawnClock(width, height, fps) {
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const context = canvas.getContext("2d", { alpha: false });
  let frame = 0;
  setInterval(() => {
    const millis = Number(BigInt.asUintN(32, BigInt(Date.now())));
    for (const block of clockBlocks(millis, frame++ & 0xffff, width, height)) {
      context.fillStyle = block.white ? "white" : "black";
      context.fillRect(block.x, block.y, block.w, block.h);
    }
  }, 1000 / fps);
  return canvas.captureStream();
}

function bytesOf(millis, frame) {
  return [millis >>> 24, (millis >>> 16) & 255, (millis >>> 8) & 255, millis & 255, frame >>> 8, frame & 255];
}

export function crc16(bytes) {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let i = 0; i < 8; i++) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
