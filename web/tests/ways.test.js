import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Choice, hindrance, Learned, wayNamed, WAYS } from '../src/ways.js';

const ALL = { RTCPeerConnection: class {}, VideoDecoder: class {}, MediaSource: class {}, isSecureContext: true };
/** @typedef {import('../src/failure.js').Failure} Failure */

/** @type {Failure} */
const FIREWALL = { kind: /** @type {const} */ ('media'), message: 'blocked', elsewhere: true, everywhere: true };
const CODEC = { kind: /** @type {const} */ ('refused'), message: 'no H.265', elsewhere: true };
const DOWN = { kind: /** @type {const} */ ('network'), message: 'gone' };
const FULL = { kind: /** @type {const} */ ('refused'), message: 'full' };
const LOST = { kind: /** @type {const} */ ('media'), message: 'lost' };

/** @param {ConstructorParameters<typeof Choice>[0]} [options] */
function choice(options) {
  const made = new Choice({ env: ALL, ...options });
  made.restart('', 0);
  return made;
}

test('the ways are tried in their order, and then again from the best', () => {
  const made = choice();
  const tried = [made.way];
  for (let next = FIREWALL; made.failed(next, 0); next = CODEC) tried.push(made.way);
  assert.deepEqual(tried, WAYS);
  assert.equal(made.way, 'webcodecs', 'what the network blocks is not tried again at once');
});

test('a server that is down or full is no reason for another way', () => {
  const made = choice();
  assert.equal(made.failed(DOWN, 0), false);
  assert.equal(made.failed(FULL, 0), false);
  assert.equal(made.way, 'webrtc');
});

test('a way that worked gets another chance', () => {
  const made = choice();
  made.worked();
  assert.equal(made.failed(LOST, 0), false);
  assert.equal(made.way, 'webrtc');
  assert.equal(made.failed(LOST, 0), true);
  assert.equal(made.way, 'webcodecs');
});

test('what one camera cannot do says nothing of another, a firewall does', () => {
  const learned = new Learned();
  choice({ learned }).failed(CODEC, 0);
  assert.equal(choice({ learned }).way, 'webrtc');
  choice({ learned }).failed(FIREWALL, 0);
  assert.equal(choice({ learned }).way, 'webcodecs');
  const later = new Choice({ env: ALL, learned });
  later.restart('', 600_000);
  assert.equal(later.way, 'webrtc', 'for a while');
  learned.forget();
  assert.equal(choice({ learned }).way, 'webrtc', 'until the network changes');
});

test('what the browser lacks is passed over and said', () => {
  const made = choice({ env: { ...ALL, VideoDecoder: undefined, isSecureContext: false } });
  made.failed(FIREWALL, 0);
  assert.equal(made.way, 'mse');
  assert.equal(
    made.words,
    'WebSocket (Media Source Extensions). Not by WebRTC: blocked; not by WebSocket, decoded by the page (WebCodecs): browsers allow WebCodecs on https pages only.',
  );
});

test('a way that was asked for is the only one', () => {
  const made = choice({ forced: 'mse' });
  assert.equal(made.way, 'mse');
  assert.equal(made.failed(FIREWALL, 0), false);
  assert.equal(made.way, 'mse');
  assert.match(made.words, /as asked for/);
  assert.equal(wayNamed('MSE'), 'mse');
  assert.equal(wayNamed('flash'), null);
});

test('sound goes by what carries it', () => {
  const made = choice();
  made.restart('aac', 0);
  assert.equal(made.way, 'mse');
  made.restart('opus', 0);
  assert.equal(made.way, 'webrtc');
  made.failed(FIREWALL, 0);
  assert.equal(made.way, 'mse');
  assert.notEqual(hindrance('mse', 'pcmu', ALL), '');
});
