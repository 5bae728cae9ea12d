// While threads waited for the GIL, who held it and in which function. Pure functions.

import { WAITS, firstAfter, intervalsInOrder, lowerBound } from './gil.js';
import { poolName } from './groups.js';
import { intervalAt } from './store.js';

/** Up to so many threads are told apart always. */
const FEW = 12;
/** More are told apart where their waits met holds no more often than this; else they are counted by their pools. */
const OVERLAPS = 200_000;
const GROUPS = 40;
/** With more rows than this no reader finds what they have in common: then they are counted by pools as well. */
const ROWS = 200;

/**
 * @typedef {object} Waits threads that wait for the GIL, counted as one
 * @property {string} name
 * @property {number[]} lanes
 * @property {Float64Array} start ns, ascending @property {Float64Array} end ns, of each start @property {Uint32Array} lane of each start
 * @property {Float64Array} ends ns, ascending
 *
 * @typedef {object} Waiting all waits for the GIL, as they are counted
 * @property {Waits[]} groups
 * @property {string[]} groupOf each lane, by name
 * @property {boolean} alone whether each thread is a group of its own
 *
 * @typedef {object} Blame
 * @property {string} waiter @property {string} holder
 * @property {number} fn index into Store.functions
 * @property {number} ns
 * @property {number} count of waits that met such a hold
 * @property {number} longest ns, of one wait under one hold
 * @property {number} lane whose that was @property {number} at ns, when it began
 */

/**
 * The waits for the GIL in order, worked out once for all ranges.
 * @param {import('./store.js').Store} store
 * @param {string[]} names of the lanes
 * @param {number} few up to so many threads each is a group
 * @returns {Waiting}
 */
export function waitingOf(store, names, few = FEW) {
  const alone = names.length <= few;
  const groupOf = alone ? names.map((_, lane) => String(lane)) : groupNames(names);
  const lanesOf = new Map();
  groupOf.forEach((group, lane) => { if (lanesOf.has(group)) lanesOf.get(group).push(lane); else lanesOf.set(group, [lane]); });
  const groups = [...lanesOf].map(([group, lanes]) => {
    const { start, end, lane } = intervalsInOrder(store, lanes, WAITS);
    return { name: alone ? names[lanes[0]] : group, lanes, start, end, lane, ends: end.slice().sort() };
  });
  return { groups, groupOf, alone };
}

/** Threads by the name of their pool. @param {string[]} names @returns {string[]} */
export function groupNames(names) {
  const groups = names.map(poolName);
  return new Set(groups).size <= GROUPS ? groups : groups.map(() => 'any thread');
}

/**
 * Who kept whom from running within a range, most time first.
 * @param {import('./store.js').Store} store
 * @param {import('./gil.js').Held} held
 * @param {Waiting} waiting
 * @param {import('./view.js').Range} range
 * @param {string[]} names of the lanes
 * @param {number} rows of single threads up to so many
 * @returns {Blame[]}
 */
export function blameWithin(store, held, waiting, range, names, rows = ROWS) {
  const each = !waiting.alone && overlapsOf(store, held, range) <= OVERLAPS ? blameEach(store, held, range, names) : null;
  const found = each && each.length <= rows ? each : blameGroups(store, held, waiting, range);
  return found.sort((a, b) => b.ns - a.ns);
}

function eachWait(store, range, visit) {
  for (let lane = 0; lane < store.lanes; lane += 1) {
    for (let i = Math.max(store.from[lane], intervalAt(store, lane, range.from)); i < store.from[lane + 1]; i += 1) {
      const start = Math.max(store.bounds[i + lane], range.from);
      if (start >= range.to) break;
      if (store.kinds.gil[store.kind[i]] !== WAITS) continue;
      const end = Math.min(store.bounds[i + lane + 1], range.to);
      if (end > start && visit(lane, start, end) === false) return;
    }
  }
}

/** How often a wait meets a hold; stops counting where it is too often. */
function overlapsOf(store, held, range) {
  let sum = 0;
  eachWait(store, range, (_, start, end) => {
    sum += lowerBound(held.start, end) - firstAfter(held, start);
    return sum <= OVERLAPS;
  });
  return sum;
}

/** Every wait with every hold it met. */
function blameEach(store, held, range, names) {
  const found = new Map();
  eachWait(store, range, (lane, start, end) => {
    for (let p = firstAfter(held, start); p < held.start.length && held.start[p] < end; p += 1) {
      const at = Math.max(held.start[p], start);
      const ns = Math.min(held.end[p], end) - at;
      if (ns <= 0) continue;
      const fn = store.kinds.fn[held.kind[p]];
      const key = (lane * store.lanes + held.lane[p]) * store.functions.length + fn;
      let blame = found.get(key);
      if (!blame) { blame = { waiter: names[lane], holder: names[held.lane[p]], lane, fn, ns: 0, count: 0, longest: 0, at }; found.set(key, blame); }
      addOverlap(blame, { ns, count: 1, longest: ns, lane, at });
    }
  });
  return [...found.values()];
}

function addOverlap(blame, { ns, count, longest, lane, at }) {
  blame.ns += ns;
  blame.count += count;
  if (longest > blame.longest) { blame.longest = longest; blame.lane = lane; blame.at = at; }
}

/**
 * By groups of threads: how many of a group waited at each instant, summed over each hold.
 * @param {import('./store.js').Store} store
 * @param {import('./gil.js').Held} held
 * @param {Waiting} waiting
 * @param {import('./view.js').Range} range
 * @returns {Blame[]}
 */
export function blameGroups(store, held, { groups, groupOf }, range) {
  const numberOf = new Map(groups.map((group, number) => [groupOf[group.lanes[0]], number]));
  const holders = Uint32Array.from(groupOf, (group) => numberOf.get(group));
  const first = firstAfter(held, range.from);
  return groups.flatMap((group) => {
    const found = new Map();
    const under = holdByHold(store, group, range.from);
    for (let p = first; p < held.start.length && held.start[p] < range.to; p += 1) {
      const sum = under(Math.max(held.start[p], range.from), Math.min(held.end[p], range.to));
      if (!sum.count) continue;
      const fn = store.kinds.fn[held.kind[p]];
      const key = holders[held.lane[p]] * store.functions.length + fn;
      let blame = found.get(key);
      if (!blame) { blame = { waiter: group.name, holder: groups[holders[held.lane[p]]].name, lane: -1, fn, ns: 0, count: 0, longest: 0, at: 0 }; found.set(key, blame); }
      addOverlap(blame, sum);
    }
    return [...found.values()];
  });
}

/**
 * What the waits of a group add up to under one hold after another, the holds in order of time.
 * Each wait is looked at when it begins and when it ends, however many holds it met: of those that began
 * before a hold, the one that ends last met most of it.
 */
function holdByHold(store, group, from) {
  const { start, end, lane, ends } = group;
  const sum = { ns: 0, count: 0, longest: 0, lane: -1, at: 0 };
  const reach = lastToEnd(store, group.lanes, from);
  let [begun, over] = [lowerBound(start, from), lowerBound(ends, from)];
  let [begunSum, overSum] = [0, 0];
  const waited = (time) => (begun - over) * (time - from) - begunSum + overSum;
  const begin = () => {
    begunSum += start[begun] - from;
    if (end[begun] > reach.end) { reach.end = end[begun]; reach.lane = lane[begun]; }
    begun += 1;
  };
  const finish = (time) => { for (; over < ends.length && ends[over] <= time; over += 1) overSum += ends[over] - from; };
  return (a, b) => {
    while (begun < start.length && start[begun] < a) begin();
    finish(a);
    const [before, gone] = [waited(a), over];
    sum.longest = Math.max(0, Math.min(reach.end, b) - a);
    sum.lane = reach.lane;
    sum.at = a;
    for (; begun < start.length && start[begun] < b; begin()) {
      const ns = Math.min(end[begun], b) - start[begun];
      if (ns > sum.longest) { sum.longest = ns; sum.lane = lane[begun]; sum.at = start[begun]; }
    }
    sum.count = begun - gone;
    finish(b);
    sum.ns = waited(b) - before;
    return sum;
  };
}

/** Of the waits of some lanes at an instant, the one that ends last. */
function lastToEnd(store, lanes, time) {
  const found = { end: -Infinity, lane: -1 };
  for (const lane of lanes) {
    const i = intervalAt(store, lane, time);
    if (i < 0 || store.kinds.gil[store.kind[i]] !== WAITS || store.bounds[i + lane] >= time) continue;
    if (store.bounds[i + lane + 1] > found.end) { found.end = store.bounds[i + lane + 1]; found.lane = lane; }
  }
  return found;
}
