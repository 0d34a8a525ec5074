const SVG = 'http://www.w3.org/2000/svg';

/** Strokes on a 24 × 24 grid. */
const PATHS = {
  close: 'M6 6l12 12M18 6L6 18',
  numbers: 'M5 20v-6M12 20V4M19 20v-9',
  sliders: 'M4 7h8M18 7h2M15 4v6M4 17h2M12 17h8M9 14v6',
  fullscreen: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5',
  soundOn: 'M4 9v6h4l5 4V5L8 9zM16.5 9a4 4 0 010 6M19 6.5a8 8 0 010 11',
  soundOff: 'M4 9v6h4l5 4V5L8 9zM17 10l4 4M21 10l-4 4',
};

/** @typedef {keyof typeof PATHS} Icon */

/**
 * An icon that says nothing to a screen reader: its button has the words.
 * @param {Icon} name
 */
export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', PATHS[name]);
  svg.append(path);
  return svg;
}
