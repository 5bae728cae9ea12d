// The intervals as typed arrays, decoded from the page's packed columns. Pure functions.

import { fromBase91, inflate } from './unpack.js';

/**
 * @typedef {Uint8Array | Uint16Array | Uint32Array} Whole as wide as its numbers need
 *
 * @typedef {object} Kinds what an interval says besides when, one entry a kind
 * @property {Uint32Array} lane
 * @property {Uint8Array} state
 * @property {Uint8Array} gil 0 not known, 1 holds, 2 waits, 3 away
 * @property {Uint8Array} evidence 0 exact, 1 derived, 2 inferred
 * @property {Whole} fn index into Store.functions
 * @property {Whole} caller index into Store.functions; the Python function the call stands in
 * @property {Whole} reason index into Store.reasons
 * @property {Whole} lock index into Store.locks, 0 for none
 * @property {Whole} chain index into Store.chains
 * @property {Uint8Array} blocked whether it is known for whom its intervals waited
 *
 * @typedef {object} Store every interval of the run, lane after lane
 * @property {number} lanes
 * @property {number} count of intervals
 * @property {Float64Array} from the first interval of each lane, and `count` at the end
 * @property {Float64Array} bounds ns; interval i of lane l lasts from bounds[i + l] to bounds[i + l + 1]
 * @property {Uint32Array} kind of each interval
 * @property {Whole} core of each interval plus one, 0 where not known
 * @property {Int16Array | Int32Array} blocker of each interval: the lane it waited for, -1 where not known
 * @property {Kinds} kinds
 * @property {string[]} functions
 * @property {string[]} reasons
 * @property {string[]} locks addresses, the first empty
 * @property {string[]} lockPlaces where each of them was created, empty where that is not known
 * @property {Wakeups} wakeups
 * @property {Chains} chains
 *
 * @typedef {object} Chains of calls, as a tree
 * @property {string[]} names of functions
 * @property {number[]} nodes of each node, numbered from 1: the node around it (0 for none) and its function
 * @property {number[]} leaves the node of each chain
 *
 * @typedef {object} Wakeups one entry each, lane after lane
 * @property {Uint32Array} lane
 * @property {Float64Array} time ns, when the thread had what it waited for
 * @property {Uint32Array | Float64Array} latency ns it took after that was there for it
 * @property {Uint32Array} cause index into the config's causes
 */

const EVIDENCE_KINDS = 3;
const GIL_KINDS = 4;
const EVERY_STATE = 10;
const MOST_SHORT = 1 << 15;

/**
 * Numbers from bytes that were grouped by significance, lowest first, in as many groups as the largest needs.
 * @param {Uint8Array} bytes
 * @param {number} count
 * @returns {Whole}
 */
export function joinPlanes(bytes, count) {
  const planes = count ? bytes.length / count : 0;
  if (planes === 1) return bytes;
  const values = planes === 0 ? new Uint8Array(count) : planes === 2 ? new Uint16Array(count) : new Uint32Array(count);
  for (let plane = 0; plane < planes; plane += 1) {
    const from = plane * count;
    const shift = 8 * plane;
    for (let i = 0; i < count; i += 1) values[i] |= bytes[from + i] << shift;
  }
  return values;
}

/** Numbers, with those put in place that need more than 32 bits. */
function withLong(values, long) {
  if (!long.length) return values;
  const wide = Float64Array.from(values);
  for (const [i, value] of long) wide[i] = value;
  return wide;
}

/** @param {object} header @param {string} blob of base 91 @returns {Promise<Record<string, Whole | Float64Array>>} */
async function decodeColumns(header, blob) {
  const bytes = fromBase91(blob);
  let offset = 0;
  const parts = header.columns.map((column) => {
    const part = { ...column, data: bytes.subarray(offset, offset + column.bytes) };
    offset += column.bytes;
    return part;
  });
  const planes = await Promise.all(parts.map((part) => inflate(part.data)));
  return Object.fromEntries(parts.map((part, i) => [part.name, withLong(joinPlanes(planes[i], part.count), part.long)]));
}

/**
 * The store of a page's header and packed columns.
 * @param {object} header
 * @param {string} blob
 * @returns {Promise<Store>}
 */
export async function decodeStore(header, blob) {
  return buildStore(header, await decodeColumns(header, blob));
}

/** @param {object} header @param {Record<string, Whole | Float64Array>} columns @returns {Store} */
export function buildStore(header, columns) {
  const kinds = unpackKinds(header, columns);
  const from = new Float64Array(header.laneCounts.length + 1);
  header.laneCounts.forEach((count, lane) => { from[lane + 1] = from[lane] + count; });
  const kind = unpackKind(header, columns.kind);
  const bounds = unpackBounds(header, { kind, duration: columns.duration }, kinds);
  return {
    lanes: header.laneCounts.length, count: kind.length, from, bounds, kind, core: columns.core, kinds,
    blocker: unpackBlockers(header, { kind, blocker: columns.blocker }, kinds),
    functions: header.functions, reasons: header.reasons, locks: header.locks, lockPlaces: header.lockPlaces,
    wakeups: unpackWakeups(columns, from, bounds),
    chains: { names: header.chainNames, nodes: header.chainNodes, leaves: header.chains },
  };
}

/** The kind of each interval, numbered over all lanes instead of within each. */
function unpackKind(header, numbers) {
  const kind = new Uint32Array(numbers.length);
  let base = 0;
  let i = 0;
  header.laneCounts.forEach((count, lane) => {
    for (const end = i + count; i < end; i += 1) kind[i] = numbers[i] + base;
    base += header.kindCounts[lane];
  });
  return kind;
}

/** When each interval begins and ends: their durations come state after state. */
function unpackBounds(header, { kind, duration }, kinds) {
  const next = new Float64Array(EVERY_STATE + 1);
  for (let i = 0; i < kind.length; i += 1) next[kinds.state[kind[i]] + 1] += 1;
  for (let s = 1; s <= EVERY_STATE; s += 1) next[s] += next[s - 1];
  const bounds = new Float64Array(kind.length + header.laneCounts.length);
  let i = 0;
  header.laneCounts.forEach((count, lane) => {
    let time = header.laneStarts[lane];
    bounds[i + lane] = time;
    for (const end = i + count; i < end; i += 1) {
      const state = kinds.state[kind[i]];
      time += duration[next[state]];
      next[state] += 1;
      bounds[i + lane + 1] = time;
    }
  });
  return bounds;
}

/** For whom each interval waited: told of those whose kind says so, one after another. */
function unpackBlockers(header, { kind, blocker }, kinds) {
  const found = new (header.laneCounts.length < MOST_SHORT ? Int16Array : Int32Array)(kind.length);
  for (let i = 0, n = 0; i < kind.length; i += 1) {
    if (kinds.blocked[kind[i]]) { found[i] = blocker[n]; n += 1; } else found[i] = -1;
  }
  return found;
}

/** @param {Record<string, Whole | Float64Array>} columns @param {Float64Array} from @param {Float64Array} bounds @returns {Wakeups} */
function unpackWakeups(columns, from, bounds) {
  const count = columns.wakeupStep.length;
  const wakeups = { lane: new Uint32Array(count), time: new Float64Array(count), latency: columns.wakeupLatency, cause: columns.wakeupCause };
  for (let n = 0, i = 0, lane = 0; n < count; n += 1) {
    i += columns.wakeupStep[n];
    while (i >= from[lane + 1]) lane += 1;
    wakeups.lane[n] = lane;
    wakeups.time[n] = bounds[i + lane + 1] - columns.wakeupBefore[n];
  }
  return wakeups;
}

/** @param {object} header @param {Record<string, Whole | Float64Array>} columns @returns {Kinds} */
function unpackKinds(header, columns) {
  const facts = columns.kindFacts;
  const count = facts.length;
  const kinds = {
    lane: new Uint32Array(count), state: new Uint8Array(count), gil: new Uint8Array(count),
    evidence: new Uint8Array(count), fn: columns.kindFunction, caller: columns.kindCaller, reason: columns.kindReason, lock: columns.kindLock, chain: columns.kindChain,
    blocked: new Uint8Array(count),
  };
  let lane = 0;
  let left = header.kindCounts[0] ?? 0;
  for (let i = 0; i < count; i += 1) {
    while (left === 0) { lane += 1; left = header.kindCounts[lane]; }
    left -= 1;
    kinds.lane[i] = lane;
    const fact = facts[i] >> 1;
    kinds.blocked[i] = facts[i] & 1;
    kinds.evidence[i] = fact % EVIDENCE_KINDS;
    kinds.gil[i] = Math.floor(fact / EVIDENCE_KINDS) % GIL_KINDS;
    kinds.state[i] = Math.floor(fact / EVIDENCE_KINDS / GIL_KINDS);
  }
  return kinds;
}

/** @param {Store} store @param {number} lane @returns {number} ns */
export function laneStart(store, lane) { return store.bounds[store.from[lane] + lane]; }

/** @param {Store} store @param {number} lane @returns {number} ns */
export function laneEnd(store, lane) { return store.bounds[store.from[lane + 1] + lane]; }

/**
 * The interval of the lane that holds the instant, or the nearest one; -1 in a lane without any.
 * @param {Store} store
 * @param {number} lane
 * @param {number} time
 * @returns {number}
 */
export function intervalAt(store, lane, time) {
  let low = store.from[lane];
  let high = store.from[lane + 1] - 1;
  if (high < low) return -1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (store.bounds[middle + lane] <= time) low = middle; else high = middle - 1;
  }
  return low;
}

/**
 * The calls of a kind of interval, innermost first; none where they are not known.
 * @param {Store} store
 * @param {number} kind
 * @returns {string[]}
 */
export function chainOf(store, kind) {
  const { names, nodes, leaves } = store.chains;
  const found = [];
  for (let node = leaves[store.kinds.chain[kind]]; node > 0; node = nodes[2 * node - 2]) found.push(names[nodes[2 * node - 1]]);
  return found;
}
