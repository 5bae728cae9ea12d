// Sums over any range of time, quick enough to redo at every move. Pure functions.

import { intervalAt, laneEnd, laneStart } from './store.js';

export const STATES = 10;
export const GIL_WAIT = 2;
export const LOCK_WAIT = 3;
export const STALLED = 7;
export const PREEMPTED = 8;
/** Sums kept per block: one a state, then the time known by derivation and by inference. */
export const SUMS = STATES + 2;
const BLOCK = 64;
/** With more intervals than this in a cell, its sums are quicker to look up than to count. */
const CROWDED = 12;

/**
 * @typedef {object} Sums running totals at every BLOCK-th interval of each lane
 * @property {Float64Array} totals ns, SUMS numbers a block
 * @property {Float64Array} firstBlock of each lane
 */

/** @param {import('./store.js').Store} store @returns {Sums} */
export function buildSums(store) {
  const firstBlock = new Float64Array(store.lanes + 1);
  for (let lane = 0; lane < store.lanes; lane += 1) {
    const count = store.from[lane + 1] - store.from[lane];
    firstBlock[lane + 1] = firstBlock[lane] + Math.floor(count / BLOCK) + 1;
  }
  const totals = new Float64Array(firstBlock[store.lanes] * SUMS);
  const sum = new Float64Array(SUMS);
  for (let lane = 0; lane < store.lanes; lane += 1) {
    sum.fill(0);
    let at = firstBlock[lane] * SUMS;
    const first = store.from[lane];
    for (let i = first; i < store.from[lane + 1]; i += 1) {
      if ((i - first) % BLOCK === 0) { totals.set(sum, at); at += SUMS; }
      addTo(sum, store, i, store.bounds[i + lane + 1] - store.bounds[i + lane]);
    }
  }
  return { totals, firstBlock };
}

/**
 * @param {Float64Array} sum
 * @param {import('./store.js').Store} store
 * @param {number} i
 * @param {number} ns
 */
function addTo(sum, store, i, ns) {
  const kind = store.kind[i];
  sum[store.kinds.state[kind]] += ns;
  const evidence = store.kinds.evidence[kind];
  if (evidence) sum[STATES - 1 + evidence] += ns;
}

/**
 * The lane's totals from its start to an instant.
 * @param {import('./store.js').Store} store
 * @param {Sums} sums
 * @param {number} lane
 * @param {number} time
 * @param {Float64Array} out
 * @returns {number} the interval at that instant
 */
export function totalsUntil(store, sums, lane, time, out) {
  out.fill(0);
  const first = store.from[lane];
  const here = intervalAt(store, lane, time);
  if (here < 0 || time <= store.bounds[first + lane]) return first;
  const block = Math.floor((here - first) / BLOCK);
  const base = (sums.firstBlock[lane] + block) * SUMS;
  for (let s = 0; s < SUMS; s += 1) out[s] = sums.totals[base + s];
  for (let i = first + block * BLOCK; i <= here; i += 1) {
    const start = store.bounds[i + lane];
    addTo(out, store, i, Math.min(store.bounds[i + lane + 1], time) - start);
  }
  return here;
}

/**
 * Time in each state (and derived, inferred) of a lane within a range, ns.
 * @param {import('./store.js').Store} store
 * @param {Sums} sums
 * @param {number} lane
 * @param {number} from
 * @param {number} to
 * @returns {Float64Array}
 */
export function laneTotals(store, sums, lane, from, to) {
  const before = new Float64Array(SUMS);
  const totals = new Float64Array(SUMS);
  totalsUntil(store, sums, lane, from, before);
  totalsUntil(store, sums, lane, to, totals);
  for (let s = 0; s < SUMS; s += 1) totals[s] -= before[s];
  return totals;
}

/**
 * Adds to equal cells of a stretch of time what a lane did in them: the time in each state, ns.
 * @param {import('./store.js').Store} store @param {Sums} sums @param {number} lane
 * @param {{from: number, to: number, cells: number}} grid @param {Float64Array} out cells × SUMS
 */
export function addLaneCells(store, sums, lane, grid, out) {
  const first = intervalAt(store, lane, grid.from);
  if (first < 0 || laneEnd(store, lane) <= grid.from || laneStart(store, lane) >= grid.to) return;
  const width = (grid.to - grid.from) / grid.cells;
  const inView = intervalAt(store, lane, grid.to) - first;
  if (inView > grid.cells * CROWDED) cellsFromSums(store, sums, lane, { ...grid, width }, out);
  else cellsFromIntervals(store, lane, { ...grid, width, first }, out);
}

function cellsFromSums(store, sums, lane, grid, out) {
  let before = new Float64Array(SUMS);
  let after = new Float64Array(SUMS);
  totalsUntil(store, sums, lane, grid.from, before);
  for (let cell = 0; cell < grid.cells; cell += 1) {
    totalsUntil(store, sums, lane, grid.from + (cell + 1) * grid.width, after);
    for (let s = 0; s < SUMS; s += 1) out[cell * SUMS + s] += after[s] - before[s];
    [before, after] = [after, before];
  }
}

function cellsFromIntervals(store, lane, grid, out) {
  const { kinds: { state, evidence }, kind, bounds } = store;
  const { from, to, width, cells } = grid;
  const end = store.from[lane + 1];
  const ns = { first: 0, inner: width, last: 0 };
  let start = Math.max(bounds[grid.first + lane], from);
  let cell = Math.min(cells - 1, Math.floor((start - from) / width));
  for (let i = grid.first; i < end && start < to; i += 1) {
    const stop = Math.min(bounds[i + lane + 1], to);
    const last = Math.min(cells - 1, Math.floor((stop - from) / width));
    const own = kind[i];
    ns.first = cell === last ? stop - start : from + (cell + 1) * width - start;
    ns.last = stop - from - last * width;
    spread(out, cell * SUMS + state[own], last * SUMS, ns);
    if (evidence[own]) spread(out, cell * SUMS + STATES - 1 + evidence[own], last * SUMS, ns);
    start = stop;
    cell = last;
  }
}

/**
 * Adds to the first cell of a span, to those it fills, and to the one it ends in.
 * @param {Float64Array} out
 * @param {number} at place of the first @param {number} last place from which on the last lies
 * @param {{first: number, inner: number, last: number}} ns
 */
function spread(out, at, last, ns) {
  out[at] += ns.first;
  if (at >= last) return;
  let next = at + SUMS;
  for (; next < last; next += SUMS) out[next] += ns.inner;
  out[next] += ns.last;
}

/**
 * @typedef {object} KindTotals per kind, within a range
 * @property {Float64Array} ns
 * @property {Float64Array} count
 * @property {Float64Array} longest ns
 * @property {Float64Array} longestAt ns
 */

/**
 * What each kind of interval adds up to within a range.
 * @param {import('./store.js').Store} store
 * @param {number} from
 * @param {number} to
 * @returns {KindTotals}
 */
export function kindTotals(store, from, to) {
  const kinds = store.kinds.state.length;
  const totals = {
    ns: new Float64Array(kinds), count: new Float64Array(kinds), longest: new Float64Array(kinds), longestAt: new Float64Array(kinds),
  };
  for (let lane = 0; lane < store.lanes; lane += 1) {
    const last = store.from[lane + 1];
    for (let i = Math.max(store.from[lane], intervalAt(store, lane, from)); i < last; i += 1) {
      const start = Math.max(store.bounds[i + lane], from);
      if (start >= to) break;
      const ns = Math.min(store.bounds[i + lane + 1], to) - start;
      if (ns <= 0) continue;
      const kind = store.kind[i];
      totals.ns[kind] += ns;
      totals.count[kind] += 1;
      if (ns > totals.longest[kind]) { totals.longest[kind] = ns; totals.longestAt[kind] = start; }
    }
  }
  return totals;
}
