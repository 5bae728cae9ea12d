// Who held the GIL, and when. Pure functions.

export const HOLDS = 1;
export const WAITS = 2;

/**
 * @typedef {object} Held the intervals in which some thread holds the GIL, in order of time
 * @property {Float64Array} start ns @property {Float64Array} end ns
 * @property {Uint32Array} lane @property {Uint32Array} kind
 */

/** @param {import('./store.js').Store} store @returns {Held} */
export function heldIntervals(store) {
  const held = [];
  for (let lane = 0; lane < store.lanes; lane += 1) {
    for (let i = store.from[lane]; i < store.from[lane + 1]; i += 1) {
      if (store.kinds.gil[store.kind[i]] === HOLDS) held.push(i + lane);
    }
  }
  const sorted = Float64Array.from(held, (slot) => store.bounds[slot]).sort();
  const result = {
    start: new Float64Array(held.length), end: new Float64Array(held.length),
    lane: new Uint32Array(held.length), kind: new Uint32Array(held.length),
  };
  const taken = new Uint8Array(held.length);
  for (const slot of held) {
    let place = lowerBound(sorted, store.bounds[slot]);
    while (taken[place]) place += 1;
    taken[place] = 1;
    result.start[place] = store.bounds[slot];
    result.end[place] = store.bounds[slot + 1];
    result.lane[place] = slot;
  }
  return withLanes(store, result);
}

/** Turns the slots that `lane` carries into lanes and kinds. */
function withLanes(store, result) {
  for (let p = 0; p < result.lane.length; p += 1) {
    const slot = result.lane[p];
    const lane = laneOfSlot(store, slot);
    result.kind[p] = store.kind[slot - lane];
    result.lane[p] = lane;
  }
  return result;
}

function laneOfSlot(store, slot) {
  let low = 0;
  let high = store.lanes - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (store.from[middle] + middle <= slot) low = middle; else high = middle - 1;
  }
  return low;
}

/** The first place whose value is not below. @param {Float64Array} values ascending @param {number} value @returns {number} */
export function lowerBound(values, value) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1; else high = middle;
  }
  return low;
}

/** The first held interval that ends after the instant. @param {Held} held @param {number} time @returns {number} */
export function firstAfter(held, time) {
  let place = lowerBound(held.start, time);
  while (place > 0 && held.end[place - 1] > time) place -= 1;
  return place;
}

/** The held interval at an instant, -1 where nobody holds the GIL. @param {Held} held @param {number} time @returns {number} */
export function heldAt(held, time) {
  const place = firstAfter(held, time);
  return place < held.start.length && held.start[place] <= time ? place : -1;
}

/**
 * @typedef {object} Holds unbroken holds of the GIL within a range
 * @property {number} held ns @property {number} count @property {number} handoffs times the GIL went from one thread to another
 * @property {{lane: number, kind: number, start: number, ns: number}[]} longest first
 * @property {Float64Array} lengths ns
 */

/** @param {Held} held @param {number} from @param {number} to @param {number} keep how many of the longest @returns {Holds} */
export function holdsWithin(held, from, to, keep) {
  const found = [];
  let total = 0;
  let handoffs = 0;
  for (let p = firstAfter(held, from); p < held.start.length && held.start[p] < to; p += 1) {
    const start = Math.max(held.start[p], from);
    const ns = Math.min(held.end[p], to) - start;
    const last = found[found.length - 1];
    total += ns;
    if (last && last.lane === held.lane[p] && last.start + last.ns === start) {
      last.ns += ns;
      if (ns > last.part) { last.part = ns; last.kind = held.kind[p]; }
      continue;
    }
    if (last && last.lane !== held.lane[p]) handoffs += 1;
    found.push({ lane: held.lane[p], kind: held.kind[p], start, ns, part: ns });
  }
  const lengths = Float64Array.from(found, (hold) => hold.ns);
  const longest = found.sort((a, b) => b.ns - a.ns || a.start - b.start).slice(0, keep);
  return { held: total, count: lengths.length, handoffs, longest, lengths };
}
