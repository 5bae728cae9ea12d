// Which part of the run is in view: pure arithmetic on {from, to} in ns.

/** @typedef {{from: number, to: number}} Range ns since the recording began */

/** The shortest view, ns. */
export const CLOSEST = 200;

/**
 * The range moved and cut so that it lies within the whole.
 * @param {Range} view
 * @param {Range} whole what can be shown
 * @returns {Range}
 */
export function clampView(view, whole) {
  const most = whole.to - whole.from;
  const width = Math.min(most, Math.max(view.to - view.from, Math.min(CLOSEST, most)));
  const from = Math.min(Math.max(view.from, whole.from), whole.to - width);
  return { from, to: from + width };
}

/**
 * The view with everything `factor` times as wide around an instant that stays put.
 * @param {Range} view
 * @param {number} time
 * @param {number} factor
 * @param {Range} whole what can be shown
 * @returns {Range}
 */
export function zoomAt(view, time, factor, whole) {
  const width = Math.min(Math.max((view.to - view.from) * factor, CLOSEST), whole.to - whole.from);
  const share = (time - view.from) / (view.to - view.from);
  return clampView({ from: time - share * width, to: time + (1 - share) * width }, whole);
}

/**
 * The view moved by a share of its own width.
 * @param {Range} view
 * @param {number} share
 * @param {Range} whole what can be shown
 * @returns {Range}
 */
export function panBy(view, share, whole) {
  const move = (view.to - view.from) * share;
  return clampView({ from: view.from + move, to: view.to + move }, whole);
}

/**
 * The range with a little room on both sides.
 * @param {Range} range
 * @param {Range} whole what can be shown
 * @returns {Range}
 */
export function withMargin(range, whole) {
  const margin = (range.to - range.from) * 0.05;
  return clampView({ from: range.from - margin, to: range.to + margin }, whole);
}

/** @param {Range} a @param {Range} b @returns {boolean} */
export function sameRange(a, b) { return a.from === b.from && a.to === b.to; }

/**
 * What the address after `#` says.
 * @param {string} hash
 * @returns {{view: Range | null, selection: Range | null, hidden: string[], lane: string}}
 */
export function parseHash(hash) {
  const found = new URLSearchParams(hash.replace(/^#/, ''));
  return {
    view: parseRange(found.get('t')), selection: parseRange(found.get('s')),
    hidden: (found.get('hide') ?? '').split(',').filter(Boolean), lane: found.get('find') ?? '',
  };
}

function parseRange(text) {
  const match = /^(\d+)-(\d+)$/.exec(text ?? '');
  return match && Number(match[2]) > Number(match[1]) ? { from: Number(match[1]), to: Number(match[2]) } : null;
}

/**
 * @param {{view: Range | null, selection: Range | null, hidden: string[], lane: string}} place
 * @returns {string}
 */
export function formatHash(place) {
  const words = [];
  if (place.view) words.push(`t=${formatRange(place.view)}`);
  if (place.selection) words.push(`s=${formatRange(place.selection)}`);
  if (place.hidden.length) words.push(`hide=${place.hidden.join(',')}`);
  if (place.lane) words.push(`find=${encodeURIComponent(place.lane)}`);
  return words.length ? `#${words.join('&')}` : '';
}

function formatRange(range) { return `${Math.round(range.from)}-${Math.round(range.to)}`; }
