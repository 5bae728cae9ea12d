// While threads waited for the GIL, who held it and in which function. Pure functions.

import { WAITS, firstAfter, lowerBound } from './gil.js';
import { intervalAt } from './store.js';

/** Overlaps of one wait with one hold that are looked at one by one; above it threads are counted in groups. */
const OVERLAPS = 2_000_000;
const GROUPS = 40;

/**
 * @typedef {object} Blame
 * @property {string} waiter @property {string} holder @property {number} lane a thread of the waiters
 * @property {number} fn index into Store.functions
 * @property {number} ns @property {number} count of waits that met such a hold @property {number | null} longest ns; null where only groups were counted
 */

/** Who kept whom from running within a range, most time first. @param {import('./store.js').Store} store @param {import('./gil.js').Held} held @param {import('./view.js').Range} range @param {string[]} names of the lanes @returns {Blame[]} */
export function blameWithin(store, held, range, names) {
  const waits = waitsWithin(store, range);
  const found = overlapsOf(waits, held) <= OVERLAPS
    ? blameEach(store, held, waits, names)
    : blameGroups(store, held, waits, { range, names: groupNames(names) });
  return found.sort((a, b) => b.ns - a.ns);
}

/** @typedef {{lane: Uint32Array, start: Float64Array, end: Float64Array}} Waits cut to a range */

/** @returns {Waits} */
export function waitsWithin(store, range) {
  const waits = { lane: [], start: [], end: [] };
  for (let lane = 0; lane < store.lanes; lane += 1) {
    for (let i = Math.max(store.from[lane], intervalAt(store, lane, range.from)); i < store.from[lane + 1]; i += 1) {
      const start = Math.max(store.bounds[i + lane], range.from);
      if (start >= range.to) break;
      const end = Math.min(store.bounds[i + lane + 1], range.to);
      if (end <= start || store.kinds.gil[store.kind[i]] !== WAITS) continue;
      waits.lane.push(lane);
      waits.start.push(start);
      waits.end.push(end);
    }
  }
  return { lane: Uint32Array.from(waits.lane), start: Float64Array.from(waits.start), end: Float64Array.from(waits.end) };
}

function overlapsOf(waits, held) {
  let sum = 0;
  for (let w = 0; w < waits.lane.length; w += 1) sum += lowerBound(held.start, waits.end[w]) - firstAfter(held, waits.start[w]);
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

/** Threads by the name of their pool: digits at the end of a word stand for any. @param {string[]} names @returns {string[]} */
export function groupNames(names) {
  const groups = names.map((name) => name.replace(/\d+/g, '*'));
  return new Set(groups).size <= GROUPS ? groups : groups.map(() => 'any thread');
}

/**
 * By groups of threads: how many of a group waited at each instant, summed over each hold.
 * Exact in time and counts; which single wait was longest is not worked out.
 */
export function blameGroups(store, held, waits, { range, names }) {
  const found = new Map();
  for (const group of new Set(names)) {
    const mine = Array.from(waits.lane.keys()).filter((w) => names[waits.lane[w]] === group);
    if (!mine.length) continue;
    const starts = Float64Array.from(mine, (w) => waits.start[w]).sort();
    const ends = Float64Array.from(mine, (w) => waits.end[w]).sort();
    const waited = waitedUntil(starts, ends);
    for (let p = firstAfter(held, range.from); p < held.start.length && held.start[p] < range.to; p += 1) {
      const from = Math.max(held.start[p], range.from);
      const to = Math.min(held.end[p], range.to);
      const count = lowerBound(starts, to) - lowerBound(ends, from + 1);
      if (count <= 0) continue;
      const fn = store.kinds.fn[held.kind[p]];
      const key = `${group}\n${names[held.lane[p]]}\n${fn}`;
      let blame = found.get(key);
      if (!blame) { blame = { waiter: group, holder: names[held.lane[p]], lane: waits.lane[mine[0]], fn, ns: 0, count: 0, longest: null }; found.set(key, blame); }
      blame.ns += waited(to) - waited(from);
      blame.count += count;
    }
  }
  return [...found.values()];
}

/** The time all waits together had lasted until an instant. @param {Float64Array} starts @param {Float64Array} ends @returns {(time: number) => number} ns */
function waitedUntil(starts, ends) {
  const sums = (values) => { const all = new Float64Array(values.length + 1); values.forEach((value, i) => { all[i + 1] = all[i] + value; }); return all; };
  const [startSums, endSums] = [sums(starts), sums(ends)];
  return (time) => {
    const begun = lowerBound(starts, time);
    const over = lowerBound(ends, time);
    return (begun * time - startSums[begun]) - (over * time - endSums[over]);
  };
}
