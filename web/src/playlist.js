/**
 * Reads what a player needs of HLS playlists (draft-pantos-hls-rfc8216bis).
 *
 * @typedef {object} Part
 * @property {string} uri
 * @property {number} duration seconds
 * @property {boolean} independent decoding can begin here
 * @property {number | null} captured Unix ms of its beginning
 * @property {string} map the init segment that it needs
 * @property {number} msn media sequence number of its segment
 * @property {number} index within its segment
 *
 * @typedef {object} MediaPlaylist
 * @property {Part[]} parts of all segments that list them, oldest first
 * @property {{ msn: number, part: number }} next what is asked for to wait for the next part
 * @property {string | null} hint where the next part will be
 * @property {string} map of the newest segment
 * @property {boolean} ended
 */

/**
 * The first stream of a multivariant playlist; null if it is none.
 * @param {string} text
 */
export function variant(text) {
  const lines = text.split(/\r?\n/);
  const at = lines.findIndex((line) => line.startsWith('#EXT-X-STREAM-INF:'));
  const uri = lines.slice(at + 1).find((line) => line && !line.startsWith('#'));
  const codecs = attributes(lines[at] ?? '').get('CODECS');
  return at < 0 || !uri || !codecs ? null : { uri, codecs };
}

/**
 * @param {string} text
 * @returns {MediaPlaylist}
 */
export function mediaPlaylist(text) {
  /** @type {MediaPlaylist} */
  const playlist = { parts: [], next: { msn: 0, part: 0 }, hint: null, map: '', ended: false };
  let [msn, index, captured] = [0, 0, /** @type {number | null} */ (null)];
  for (const line of text.split(/\r?\n/)) {
    const [tag, value] = cut(line, ':');
    switch (tag) {
      case '#EXT-X-MEDIA-SEQUENCE':
        msn = Number(value);
        break;
      case '#EXT-X-MAP':
        playlist.map = attributes(value).get('URI') ?? '';
        break;
      case '#EXT-X-PROGRAM-DATE-TIME':
        captured = Date.parse(value);
        break;
      case '#EXT-X-PART': {
        const known = attributes(value);
        const duration = Number(known.get('DURATION'));
        const independent = known.get('INDEPENDENT') === 'YES';
        playlist.parts.push({ uri: known.get('URI') ?? '', duration, independent, captured, map: playlist.map, msn, index });
        captured = captured === null ? null : captured + duration * 1000;
        index += 1;
        break;
      }
      case '#EXT-X-PRELOAD-HINT':
        if (attributes(value).get('TYPE') === 'PART') playlist.hint = attributes(value).get('URI') ?? null;
        break;
      case '#EXT-X-ENDLIST':
        playlist.ended = true;
        break;
      default:
        if (!line || line.startsWith('#')) break;
        msn += 1;
        index = 0;
        captured = null;
    }
  }
  playlist.next = { msn, part: index };
  return playlist;
}

/**
 * @param {string} text
 * @param {string} at
 * @returns {[string, string]}
 */
function cut(text, at) {
  const where = text.indexOf(at);
  return where < 0 ? [text, ''] : [text.slice(0, where), text.slice(where + 1)];
}

/** @param {string} text `NAME=value,NAME="value"` behind whatever */
function attributes(text) {
  return new Map([...text.matchAll(/([A-Z0-9-]+)=(?:"([^"]*)"|([^",]*))/g)].map(([, name, quoted, bare]) => [name, quoted ?? bare]));
}
