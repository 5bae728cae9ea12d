// Threads of one pool taken together. Pure functions.

import { SUMS, addLaneCells } from './aggregate.js';

/** Pools of more threads than this are summed in coarser cells, px. */
const FINE = 32;
const COARSE_CELL = 4;

/** The name of a thread's pool: digits stand for any. @param {string} name @returns {string} */
export function poolName(name) { return name.replace(/\d+/g, '*'); }

/** @typedef {{name: string, lanes: number[]}} Pool threads whose names differ only in digits */

/**
 * The pools of more than one thread, in the order of their first.
 * @param {number[]} lanes
 * @param {string[]} names
 * @returns {Pool[]}
 */
export function poolsOf(lanes, names) {
  const pools = new Map();
  for (const lane of lanes) {
    const name = poolName(names[lane]);
    const pool = pools.get(name);
    if (pool) pool.lanes.push(lane); else pools.set(name, { name, lanes: [lane] });
  }
  return [...pools.values()].filter((pool) => pool.lanes.length > 1);
}

export const NATIVE_POOL = 'native threads';
export const STARTED_POOL = 'started processes';

/**
 * The threads that never entered Python: those of native libraries as one pool, those of processes that the program
 * started as another; neither where it would have but one thread.
 * @param {number[]} lanes
 * @param {{native: boolean, started: boolean}[]} threads
 * @returns {Pool[]}
 */
export function nativePools(lanes, threads) {
  const native = lanes.filter((lane) => threads[lane].native && !threads[lane].started);
  const started = lanes.filter((lane) => threads[lane].started);
  const pools = [{ name: NATIVE_POOL, lanes: native }, { name: STARTED_POOL, lanes: started }];
  return pools.filter((pool) => pool.lanes.length > 1);
}

/**
 * The most threads alive at one instant.
 * @param {{start: number, end: number}[]} threads
 * @returns {number}
 */
export function peakAlive(threads) {
  const starts = Float64Array.from(threads, (thread) => thread.start).sort();
  const ends = Float64Array.from(threads, (thread) => thread.end).sort();
  let most = 0;
  for (let i = 0, over = 0; i < starts.length; i += 1) {
    while (over < ends.length && ends[over] <= starts[i]) over += 1;
    most = Math.max(most, i + 1 - over);
  }
  return Math.max(1, most);
}

/**
 * What each row of the timeline shows: a lane, or a pool in place of its lanes.
 * @param {number[]} lanes in order
 * @param {Pool[]} pools
 * @param {Set<string>} open names of the pools whose lanes are shown below them
 * @returns {{lane: number, pool: Pool | null}[]} `lane` is -1 for a pool
 */
export function foldRows(lanes, pools, open) {
  const poolOf = new Map();
  for (const pool of pools) for (const lane of pool.lanes) poolOf.set(lane, pool);
  const rows = [];
  const seen = new Set();
  for (const lane of lanes) {
    const pool = poolOf.get(lane);
    if (!pool) { rows.push({ lane, pool: null }); continue; }
    if (seen.has(pool)) continue;
    seen.add(pool);
    rows.push({ lane: -1, pool });
    if (open.has(pool.name)) rows.push(...pool.lanes.map((one) => ({ lane: one, pool: null })));
  }
  return rows;
}

/**
 * Time in each state per cell, over all lanes of a pool.
 * @param {import('./store.js').Store} store
 * @param {import('./aggregate.js').Sums} sums
 * @param {number[]} lanes
 * @param {{from: number, to: number, cells: number}} grid
 * @param {Float64Array} out cells × SUMS
 */
export function poolCells(store, sums, lanes, grid, out) {
  const each = lanes.length > FINE ? COARSE_CELL : 1;
  const count = Math.ceil(grid.cells / each);
  const wide = ((grid.to - grid.from) / grid.cells) * each;
  const coarse = { from: grid.from, to: grid.from + count * wide, cells: count };
  const all = new Float64Array(count * SUMS);
  for (const lane of lanes) addLaneCells(store, sums, lane, coarse, all);
  for (let cell = 0; cell < grid.cells; cell += 1) {
    const from = Math.floor(cell / each) * SUMS;
    for (let s = 0; s < SUMS; s += 1) out[cell * SUMS + s] = all[from + s] / each;
  }
}
