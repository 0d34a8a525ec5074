/**
 * @typedef {object} Failure why playing ended, or never began
 * @property {'network' | 'refused' | 'media'} kind the server cannot be reached, it said no, or media does not get
 *   through
 * @property {string} message in words, for people
 * @property {number} [retryAfter] ms, if the server named a time
 * @property {boolean} [elsewhere] another way of playing may work where this one does not
 * @property {boolean} [everywhere] this way will not work with other cameras either: the network does not let it through
 */

/** A refusal of the server. */
export class Refused extends Error {
  /** @type {number | undefined} */
  retryAfter;
  elsewhere = false;
}

/** Answers that speak of the way of playing, and not of the camera or of the server as a whole. */
const OF_THIS_WAY = [404, 405, 406, 415, 426, 501];

/** @param {Response} response */
export async function refusal(response) {
  const body = await response.json().catch(() => null);
  const { message, hint, code } = body?.error ?? {};
  const said = [message?.replace(/\.$/, ''), hint].filter(Boolean).join('; ');
  const refused = new Refused(said || `The server answered ${response.status} ${response.statusText}`.trim());
  const seconds = Number(response.headers.get('Retry-After') ?? NaN);
  refused.retryAfter = Number.isFinite(seconds) ? seconds * 1000 : undefined;
  refused.elsewhere = OF_THIS_WAY.includes(response.status) && code !== 'camera_not_found';
  return refused;
}

/**
 * @param {unknown} error
 * @returns {Failure}
 */
export function failure(error) {
  if (error instanceof Refused) {
    const { message, retryAfter, elsewhere } = error;
    return { kind: 'refused', message, retryAfter, elsewhere };
  }
  if (error instanceof TypeError || (error instanceof DOMException && ['TimeoutError', 'NetworkError'].includes(error.name))) {
    return { kind: 'network', message: 'The server cannot be reached.' };
  }
  return { kind: 'media', message: `The browser cannot use the server's answer: ${error}`, elsewhere: true };
}
