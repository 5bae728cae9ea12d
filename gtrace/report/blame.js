// While threads waited for the GIL, who held it and in which function. Pure functions.

import { WAITS, firstAfter, lowerBound } from './gil.js';
import { poolName } from './groups.js';
import { intervalAt } from './store.js';

/** Overlaps of one wait with one hold that are looked at one by one; above it they are summed hold by hold. */
const OVERLAPS = 200_000;
/** The most threads that are then told apart; more are counted by their pools. */
const FEW = 12;
const GROUPS = 40;

/**
 * @typedef {object} Blame
 * @property {string} waiter @property {string} holder @property {number} lane a thread of the waiters
 * @property {number} fn index into Store.functions
 * @property {number} ns
 * @property {number} count of waits that met such a hold
 * @property {number | null} longest ns; null where only groups were counted
 */

/**
 * Who kept whom from running within a range, most time first.
 * @param {import('./store.js').Store} store
 * @param {import('./gil.js').Held} held
 * @param {import('./view.js').Range} range
 * @param {string[]} names of the lanes
 * @returns {Blame[]}
 */
export function blameWithin(store, held, range, names) {
  const waits = waitsWithin(store, range);
  const found = overlapsOf(waits, held) <= OVERLAPS
    ? blameEach(store, held, waits, names)
    : blameGroups(store, held, waits, { range, names: names.length <= FEW ? names : groupNames(names) });
  return found.sort((a, b) => b.ns - a.ns);
}

/** @typedef {{lane: Uint32Array, start: Float64Array, end: Float64Array}} Waits cut to a range */

/** @param {import('./store.js').Store} store @param {import('./view.js').Range} range @returns {Waits} */
export function waitsWithin(store, range) {
  let count = 0;
  eachWait(store, range, () => { count += 1; });
  const waits = { lane: new Uint32Array(count), start: new Float64Array(count), end: new Float64Array(count) };
  let n = 0;
  eachWait(store, range, (lane, start, end) => {
    waits.lane[n] = lane;
    waits.start[n] = start;
    waits.end[n] = end;
    n += 1;
  });
  return waits;
}

function eachWait(store, range, visit) {
  for (let lane = 0; lane < store.lanes; lane += 1) {
    for (let i = Math.max(store.from[lane], intervalAt(store, lane, range.from)); i < store.from[lane + 1]; i += 1) {
      const start = Math.max(store.bounds[i + lane], range.from);
      if (start >= range.to) break;
      if (store.kinds.gil[store.kind[i]] !== WAITS) continue;
      const end = Math.min(store.bounds[i + lane + 1], range.to);
      if (end > start) visit(lane, start, end);
    }
  }
}

/** How often a wait meets a hold; stops counting where it is too often. */
function overlapsOf(waits, held) {
  let sum = 0;
  for (let w = 0; w < waits.lane.length && sum <= OVERLAPS; w += 1) sum += lowerBound(held.start, waits.end[w]) - firstAfter(held, waits.start[w]);
  return sum;
}

/** Every wait with every hold it met. */
function blameEach(store, held, waits, names) {
  const found = new Map();
  for (let w = 0; w < waits.lane.length; w += 1) {
    const lane = waits.lane[w];
    for (let p = firstAfter(held, waits.start[w]); p < held.start.length && held.start[p] < waits.end[w]; p += 1) {
      const ns = Math.min(held.end[p], waits.end[w]) - Math.max(held.start[p], waits.start[w]);
      if (ns <= 0) continue;
      const fn = store.kinds.fn[held.kind[p]];
      const key = (lane * store.lanes + held.lane[p]) * store.functions.length + fn;
      let blame = found.get(key);
      if (!blame) { blame = { waiter: names[lane], holder: names[held.lane[p]], lane, fn, ns: 0, count: 0, longest: 0 }; found.set(key, blame); }
      blame.ns += ns;
      blame.count += 1;
      if (ns > blame.longest) blame.longest = ns;
    }
  }
  return [...found.values()];
}

/** Threads by the name of their pool. @param {string[]} names @returns {string[]} */
export function groupNames(names) {
  const groups = names.map(poolName);
  return new Set(groups).size <= GROUPS ? groups : groups.map(() => 'any thread');
}

/**
 * By groups of threads: how many of a group waited at each instant, summed over each hold.
 * Exact in time and counts; which single wait was longest is not worked out.
 */
export function blameGroups(store, held, waits, { range, names }) {
  const groups = [...new Set(names)];
  const groupOf = Uint32Array.from(names, (name) => groups.indexOf(name));
  const found = [];
  groups.forEach((waiter, group) => {
    const [starts, ends, lane] = waitsOf(waits, groupOf, group);
    if (!starts.length) return;
    const sums = sumsByHold(store, held, { starts, ends, range, groupOf });
    for (const [key, sum] of sums) {
      const holder = groups[Math.floor(key / store.functions.length)];
      found.push({ waiter, holder, lane, fn: key % store.functions.length, ...sum, longest: null });
    }
  });
  return found;
}

/** When the waits of one group began and ended, each in order; and one of their lanes. */
function waitsOf(waits, groupOf, group) {
  let count = 0;
  let lane = -1;
  for (let w = 0; w < waits.lane.length; w += 1) if (groupOf[waits.lane[w]] === group) { count += 1; lane = waits.lane[w]; }
  const starts = new Float64Array(count);
  const ends = new Float64Array(count);
  for (let w = 0, n = 0; w < waits.lane.length; w += 1) {
    if (groupOf[waits.lane[w]] === group) { starts[n] = waits.start[w]; ends[n] = waits.end[w]; n += 1; }
  }
  return [starts.sort(), ends.sort(), lane];
}

/** Per group of holders and function: the time waited under its holds. The holds come in order, so each cursor only moves on. */
function sumsByHold(store, held, { starts, ends, range, groupOf }) {
  const sums = new Map();
  const begun = cursor(starts);
  const over = cursor(ends);
  for (let p = firstAfter(held, range.from); p < held.start.length && held.start[p] < range.to; p += 1) {
    const from = Math.max(held.start[p], range.from);
    const to = Math.min(held.end[p], range.to);
    const before = begun.until(from) - over.until(from);
    const gone = over.countThrough(from);
    const waited = begun.until(to) - over.until(to) - before;
    const count = begun.count - gone;
    if (count <= 0) continue;
    const key = groupOf[held.lane[p]] * store.functions.length + store.kinds.fn[held.kind[p]];
    let sum = sums.get(key);
    if (!sum) { sum = { ns: 0, count: 0 }; sums.set(key, sum); }
    sum.ns += waited;
    sum.count += count;
  }
  return sums;
}

/** Walks along instants in order; `until(time)` is the sum of (time − instant) over those before it. */
function cursor(instants) {
  let sum = 0;
  const self = {
    count: 0,
    until(time) {
      while (self.count < instants.length && instants[self.count] < time) { sum += instants[self.count]; self.count += 1; }
      return self.count * time - sum;
    },
    countThrough(time) {
      let count = self.count;
      while (count < instants.length && instants[count] <= time) count += 1;
      return count;
    },
  };
  return self;
}
