// What a search finds: the intervals whose function has the words in its name. Pure functions.

import { intervalAt } from './store.js';

/**
 * @typedef {object} Found
 * @property {string} wanted in lower case
 * @property {Uint8Array} kinds whether intervals of each kind match
 * @property {Uint32Array[]} intervals that match, of each lane, in order of time
 * @property {number} count of them all
 *
 * @typedef {{time: number, lane: number}} Place where an interval begins; of two at one instant the lower lane comes first
 */

/** @param {import('./store.js').Store} store @param {string} wanted in lower case @returns {Found} */
export function findWords(store, wanted) {
  const functions = store.functions.map((name) => name.toLowerCase().includes(wanted));
  const kinds = Uint8Array.from(store.kinds.fn, (fn) => (functions[fn] ? 1 : 0));
  const lanes = new Set();
  kinds.forEach((found, kind) => { if (found) lanes.add(store.kinds.lane[kind]); });
  const intervals = Array.from({ length: store.lanes }, (_, lane) => (lanes.has(lane) ? matchesOf(store, kinds, lane) : new Uint32Array()));
  return { wanted, kinds, intervals, count: intervals.reduce((sum, own) => sum + own.length, 0) };
}

function matchesOf(store, kinds, lane) {
  let count = 0;
  for (let i = store.from[lane]; i < store.from[lane + 1]; i += 1) count += kinds[store.kind[i]];
  const own = new Uint32Array(count);
  for (let i = store.from[lane], n = 0; n < count; i += 1) if (kinds[store.kind[i]]) { own[n] = i; n += 1; }
  return own;
}

/** The first place from `from` on whose interval passes a test that all after it pass too. @param {Uint32Array} own @param {(i: number) => boolean} test @param {number} from @returns {number} */
export function firstWhere(own, test, from = 0) {
  let [low, high] = [from, own.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (test(own[middle])) high = middle; else low = middle + 1;
  }
  return low;
}

/**
 * The match that begins next after a place, or last before it; after the last comes the first.
 * @param {import('./store.js').Store} store
 * @param {Found} found with at least one match
 * @param {Place} place
 * @param {1 | -1} direction
 * @returns {{lane: number, interval: number}}
 */
export function nextMatch(store, found, place, direction) {
  let best = null;
  found.intervals.forEach((own, lane) => {
    const isAfter = (i) => store.bounds[i + lane] > place.time || (store.bounds[i + lane] === place.time && lane > place.lane);
    const isFrom = (i) => isAfter(i) || (store.bounds[i + lane] === place.time && lane === place.lane);
    const at = direction > 0 ? firstWhere(own, isAfter) : firstWhere(own, isFrom) - 1;
    if (at < 0 || at >= own.length) return;
    const time = store.bounds[own[at] + lane];
    const nearer = !best || (direction > 0 ? time < best.time : time >= best.time);
    if (nearer) best = { lane, interval: own[at], time };
  });
  if (best) return { lane: best.lane, interval: best.interval };
  return nextMatch(store, found, { time: direction > 0 ? -1 : Infinity, lane: -1 }, direction);
}

/**
 * From where the next match is looked for in a view: its edge, or where a match begins that reaches into it.
 * @param {import('./store.js').Store} store
 * @param {Found} found
 * @param {import('./view.js').Range} view
 * @param {1 | -1} direction
 * @returns {Place}
 */
export function edgeOf(store, found, view, direction) {
  if (direction < 0) return { time: view.to, lane: -1 };
  let time = view.from;
  for (let lane = 0; lane < store.lanes; lane += 1) {
    const i = intervalAt(store, lane, view.from);
    if (i >= 0 && found.kinds[store.kind[i]] && store.bounds[i + lane + 1] > view.from) time = Math.min(time, store.bounds[i + lane]);
  }
  return { time, lane: -1 };
}
