import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fit, neighbour } from '../src/grid.js';

const DESK = { width: 1408, height: 830, gap: 12, caption: 44, least: 280 };
const PHONE = { width: 374, height: 780, gap: 12, caption: 44, least: 280 };

test('one camera is as large as the window allows', () => {
  const { columns, width } = fit(1, DESK);
  assert.equal(columns, 1);
  assert.ok((width * 9) / 16 + DESK.caption <= DESK.height + 1e-9);
  assert.ok(width > 1390);
});

test('all cameras fit without scrolling while they stay large enough', () => {
  for (const count of [2, 3, 4, 6, 9, 12]) {
    const { columns, width } = fit(count, DESK);
    const rows = Math.ceil(count / columns);
    assert.ok(rows * ((width * 9) / 16 + DESK.caption) + (rows - 1) * DESK.gap <= DESK.height + 1, `${count}`);
    assert.ok(width >= DESK.least, `${count}`);
  }
});

test('many cameras scroll at a good width', () => {
  const { columns, width } = fit(50, DESK);
  assert.equal(columns, 4);
  assert.ok(columns * width + (columns - 1) * DESK.gap <= DESK.width + 1e-9);
});

test('a phone shows one below the other', () => {
  assert.deepEqual(fit(6, PHONE), { columns: 1, width: 374 });
});

test('no camera and no room do no harm', () => {
  assert.equal(fit(0, DESK).columns, 1);
  assert.equal(fit(3, { ...DESK, width: 0, height: 0 }).columns, 1);
});

test('arrow keys go where the eye goes', () => {
  assert.equal(neighbour('ArrowRight', 0, 6, 3), 1);
  assert.equal(neighbour('ArrowDown', 1, 6, 3), 4);
  assert.equal(neighbour('ArrowUp', 4, 6, 3), 1);
  assert.equal(neighbour('ArrowUp', 1, 6, 3), null);
  assert.equal(neighbour('ArrowRight', 5, 6, 3), null);
  assert.equal(neighbour('End', 0, 6, 3), 5);
  assert.equal(neighbour('Home', 5, 6, 3), 0);
  assert.equal(neighbour('x', 0, 6, 3), null);
});
