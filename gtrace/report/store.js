// The intervals as typed arrays, decoded from the page's packed columns. Pure functions.

/**
 * @typedef {object} Kinds what an interval says besides when, one entry a kind
 * @property {Uint32Array} lane
 * @property {Uint8Array} state
 * @property {Uint8Array} gil 0 not known, 1 holds, 2 waits, 3 away
 * @property {Uint8Array} evidence 0 exact, 1 derived, 2 inferred
 * @property {Uint32Array} fn index into Store.functions
 * @property {Uint32Array} caller index into Store.functions; the Python function the call stands in
 * @property {Uint32Array} reason index into Store.reasons
 * @property {Uint32Array} lock index into Store.locks, 0 for none
 * @property {Uint32Array} chain index into Store.chains
 * @property {Int32Array} blocker lane, -1 where not known
 *
 * @typedef {object} Store every interval of the run, lane after lane
 * @property {number} lanes
 * @property {number} count of intervals
 * @property {Float64Array} from the first interval of each lane, and `count` at the end
 * @property {Float64Array} bounds ns; interval i of lane l lasts from bounds[i + l] to bounds[i + l + 1]
 * @property {Uint32Array} kind of each interval
 * @property {Uint32Array} core of each interval plus one, 0 where not known
 * @property {Kinds} kinds
 * @property {string[]} functions
 * @property {string[]} reasons
 * @property {string[]} locks addresses, the first empty
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

/** @param {string} text @returns {Uint8Array} */
export function fromBase64(text) {
  if (typeof Uint8Array.fromBase64 === 'function') return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i += 1) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** @param {Uint8Array} bytes deflated @returns {Promise<Uint8Array>} */
export async function inflate(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Numbers from bytes that were grouped by significance, lowest first.
 * @param {Uint8Array} bytes
 * @param {number} count
 * @returns {Uint32Array}
 */
export function joinPlanes(bytes, count) {
  const values = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) {
    values[i] = bytes[i] | (bytes[count + i] << 8) | (bytes[2 * count + i] << 16) | (bytes[3 * count + i] << 24);
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

/** @param {object} header @param {string} blob base64 @returns {Promise<Record<string, Uint32Array>>} */
async function decodeColumns(header, blob) {
  const bytes = fromBase64(blob);
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

/** @param {object} header @param {Record<string, Uint32Array>} columns @returns {Store} */
export function buildStore(header, columns) {
  const lanes = header.laneCounts.length;
  const count = columns.kind.length;
  const from = new Float64Array(lanes + 1);
  const bounds = new Float64Array(count + lanes);
  const kind = columns.kind;
  let kindBase = 0;
  for (let lane = 0, i = 0; lane < lanes; lane += 1) {
    from[lane] = i;
    let time = header.laneStarts[lane];
    bounds[i + lane] = time;
    for (const end = i + header.laneCounts[lane]; i < end; i += 1) {
      time += columns.duration[i];
      bounds[i + lane + 1] = time;
      kind[i] += kindBase;
    }
    kindBase += header.kindCounts[lane];
  }
  from[lanes] = count;
  return {
    lanes, count, from, bounds, kind, core: columns.core, kinds: unpackKinds(header, columns),
    functions: header.functions, reasons: header.reasons, locks: header.locks, wakeups: unpackWakeups(columns, from, bounds),
    chains: { names: header.chainNames, nodes: header.chainNodes, leaves: header.chains },
  };
}

/** @param {Record<string, Uint32Array>} columns @param {Float64Array} from @param {Float64Array} bounds @returns {Wakeups} */
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

/** @param {object} header @param {Record<string, Uint32Array>} columns @returns {Kinds} */
function unpackKinds(header, columns) {
  const facts = columns.kindFacts;
  const count = facts.length;
  const kinds = {
    lane: new Uint32Array(count), state: new Uint8Array(count), gil: new Uint8Array(count),
    evidence: new Uint8Array(count), fn: columns.kindFunction, caller: columns.kindCaller, reason: columns.kindReason, lock: columns.kindLock, chain: columns.kindChain,
    blocker: Int32Array.from(columns.kindBlocker, (value) => value - 1),
  };
  let lane = 0;
  let left = header.kindCounts[0] ?? 0;
  for (let i = 0; i < count; i += 1) {
    while (left === 0) { lane += 1; left = header.kindCounts[lane]; }
    left -= 1;
    kinds.lane[i] = lane;
    kinds.evidence[i] = facts[i] % EVIDENCE_KINDS;
    kinds.gil[i] = Math.floor(facts[i] / EVIDENCE_KINDS) % GIL_KINDS;
    kinds.state[i] = Math.floor(facts[i] / EVIDENCE_KINDS / GIL_KINDS);
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
