// Who held the GIL, and when. Pure functions.

import { STATES, SUMS } from './aggregate.js';

export const HOLDS = 1;
export const WAITS = 2;

/**
 * @typedef {object} Held intervals, in order of time; those in which some thread holds the GIL, unless said otherwise
 * @property {Float64Array} start ns @property {Float64Array} end ns
 * @property {Uint32Array} lane @property {Uint32Array} kind
 * @property {Float64Array} [sums] see heldSums
 */

/** @param {import('./store.js').Store} store @returns {Held} */
export function heldIntervals(store) {
  return intervalsInOrder(store, Array.from({ length: store.lanes }, (_, lane) => lane), HOLDS);
}

/**
 * The intervals of some lanes that have to do with the GIL in one way, in order of time.
 * Their starts are sorted alone, which is quick, and lead the way for the rest.
 * @param {import('./store.js').Store} store
 * @param {number[]} lanes
 * @param {number} gil
 * @returns {Held}
 */
export function intervalsInOrder(store, lanes, gil) {
  const { bounds, kinds } = store;
  let count = 0;
  const each = (visit) => {
    for (const lane of lanes) for (let i = store.from[lane]; i < store.from[lane + 1]; i += 1) if (kinds.gil[store.kind[i]] === gil) visit(lane, i);
  };
  each(() => { count += 1; });
  const found = { start: new Float64Array(count), end: new Float64Array(count), lane: new Uint32Array(count), kind: new Uint32Array(count) };
  let n = 0;
  each((lane, i) => { found.start[n] = bounds[i + lane]; n += 1; });
  found.start.sort();
  const taken = new Uint8Array(count);
  let [place, last] = [0, -1];
  each((lane, i) => {
    if (lane !== last) { place = 0; last = lane; }
    place = nextPlace(found.start, bounds[i + lane], place);
    while (taken[place]) place += 1;
    taken[place] = 1;
    found.end[place] = bounds[i + lane + 1];
    found.lane[place] = lane;
    found.kind[place] = store.kind[i];
  });
  return found;
}

/**
 * As lowerBound, from a place at or before the answer and quick where it is near.
 * @param {Float64Array} values
 * @param {number} value
 * @param {number} from
 * @returns {number}
 */
export function nextPlace(values, value, from) {
  let step = 1;
  let low = from;
  while (low + step < values.length && values[low + step] < value) { low += step; step *= 2; }
  let high = Math.min(low + step, values.length);
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

/**
 * The first place whose value is not below.
 * @param {Float64Array} values ascending
 * @param {number} value
 * @returns {number}
 */
export function lowerBound(values, value) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

/**
 * The first held interval that ends after the instant.
 * @param {Held} held
 * @param {number} time
 * @returns {number}
 */
export function firstAfter(held, time) {
  let place = lowerBound(held.start, time);
  while (place > 0 && held.end[place - 1] > time) place -= 1;
  return place;
}

/**
 * The held interval at an instant, -1 where nobody holds the GIL.
 * @param {Held} held
 * @param {number} time
 * @returns {number}
 */
export function heldAt(held, time) {
  const place = firstAfter(held, time);
  return place < held.start.length && held.start[place] <= time ? place : -1;
}

/** Sums of holds are kept at every so many. */
const HELD_BLOCK = 64;

/**
 * What the holder of the GIL did meanwhile, summed up to every HELD_BLOCK-th hold: STATES numbers each, ns.
 * @param {import('./store.js').Store} store
 * @param {Held} held
 * @returns {Float64Array}
 */
export function heldSums(store, held) {
  const totals = new Float64Array((Math.floor(held.start.length / HELD_BLOCK) + 1) * STATES);
  const sum = new Float64Array(STATES);
  for (let p = 0; p < held.start.length; p += 1) {
    if (p % HELD_BLOCK === 0) totals.set(sum, (p / HELD_BLOCK) * STATES);
    sum[store.kinds.state[held.kind[p]]] += held.end[p] - held.start[p];
  }
  return totals;
}

/** The same up to an instant, into `out`. */
function heldUntil(store, held, time, out) {
  const last = lowerBound(held.start, time);
  const block = Math.floor(Math.max(0, last - 1) / HELD_BLOCK);
  for (let s = 0; s < STATES; s += 1) out[s] = held.sums[block * STATES + s];
  for (let p = block * HELD_BLOCK; p < last; p += 1) out[store.kinds.state[held.kind[p]]] += Math.min(held.end[p], time) - held.start[p];
}

/**
 * What the holder of the GIL did, in equal cells of a stretch of time, laid out as those of a lane.
 * @param {import('./store.js').Store} store
 * @param {Held} held with its `sums`
 * @param {{from: number, to: number, cells: number}} grid
 * @returns {Float64Array} cells × SUMS, ns
 */
export function heldCells(store, held, grid) {
  const cells = new Float64Array(grid.cells * SUMS);
  let [before, after] = [new Float64Array(STATES), new Float64Array(STATES)];
  heldUntil(store, held, grid.from, before);
  for (let cell = 0; cell < grid.cells; cell += 1) {
    heldUntil(store, held, grid.from + ((cell + 1) / grid.cells) * (grid.to - grid.from), after);
    for (let s = 0; s < STATES; s += 1) cells[cell * SUMS + s] = after[s] - before[s];
    [before, after] = [after, before];
  }
  return cells;
}

/**
 * @typedef {object} Holds unbroken holds of the GIL within a range
 * @property {number} held ns
 * @property {number} count
 * @property {number} handoffs times the GIL went from one thread to another
 * @property {{lane: number, kind: number, start: number, ns: number}[]} longest first
 * @property {Float64Array} lengths ns
 */

/**
 * @param {Held} held
 * @param {number} from
 * @param {number} to
 * @param {number} keep how many of the longest
 * @returns {Holds}
 */
export function holdsWithin(held, from, to, keep) {
  const first = firstAfter(held, from);
  const last = lowerBound(held.start, to);
  const lengths = new Float64Array(Math.max(0, last - first));
  const longest = new Longest(keep);
  let total = 0;
  let count = 0;
  let handoffs = 0;
  for (let p = first; p < last;) {
    const lane = held.lane[p];
    const start = Math.max(held.start[p], from);
    let [end, kind, part] = [start, held.kind[p], 0];
    for (; p < last && held.lane[p] === lane && Math.max(held.start[p], from) === end; p += 1) {
      const ns = Math.min(held.end[p], to) - end;
      if (ns > part) { part = ns; kind = held.kind[p]; }
      end += ns;
    }
    total += end - start;
    lengths[count] = end - start;
    count += 1;
    if (p < last && held.lane[p] !== lane) handoffs += 1;
    longest.offer({ lane, kind, start, ns: end - start });
  }
  return { held: total, count, handoffs, longest: longest.sorted(), lengths: lengths.subarray(0, count) };
}

/** The longest of many holds, without keeping the others. */
class Longest {
  constructor(keep) { this.keep = keep; this.found = []; this.least = -1; }

  offer(hold) {
    if (hold.ns <= this.least) return;
    this.found.push(hold);
    if (this.found.length < 4 * this.keep) return;
    this.found = this.sorted();
    this.least = this.found[this.keep - 1].ns;
  }

  sorted() { return this.found.sort((a, b) => b.ns - a.ns || a.start - b.start).slice(0, this.keep); }
}
