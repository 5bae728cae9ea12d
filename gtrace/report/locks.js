// The locks, queues and ends of threads that threads waited for. Pure functions.

import { LOCK_WAIT } from './aggregate.js';
import { intervalAt, laneStart } from './store.js';

/** Waits for one lock that others take too, told by its address; the others wait on a lock made for that one wait. */
const BY_ADDRESS = new Set(['lock', 'rlock', 'import lock']);
const JOIN = 'thread join';

/**
 * What threads waited for within a range, most time first: which, where, how long, and who let them go on.
 * @param {import('./store.js').Store} store
 * @param {import('./view.js').Range} range
 * @param {string[]} names of the lanes
 * @returns {import('./tables.js').Row[]}
 */
export function lockRows(store, range, names) {
  const found = new Map();
  for (let lane = 0; lane < store.lanes; lane += 1) {
    for (let i = Math.max(store.from[lane], intervalAt(store, lane, range.from)); i < store.from[lane + 1]; i += 1) {
      const start = Math.max(store.bounds[i + lane], range.from);
      if (start >= range.to) break;
      const end = Math.min(store.bounds[i + lane + 1], range.to);
      if (end <= start || store.kinds.state[store.kind[i]] !== LOCK_WAIT) continue;
      const wait = { lane, start, end, kind: store.kind[i], blocker: store.blocker[i], over: store.bounds[i + lane + 1] };
      addWait(rowOf(store, names, found, wait), store, wait);
    }
  }
  return [...found.values()].sort((a, b) => b.total - a.total).map((row) => finished(row, store, names));
}

/** The row of what a wait was for, made where it is the first. */
function rowOf(store, names, found, wait) {
  const { kinds } = store;
  const reason = store.reasons[kinds.reason[wait.kind]] || 'lock';
  const lock = BY_ADDRESS.has(reason) ? kinds.lock[wait.kind] : 0;
  const joined = reason === JOIN ? wait.blocker : -1;
  const place = store.functions[kinds.caller[wait.kind]] || store.functions[kinds.fn[wait.kind]];
  const key = lock || (joined >= 0 ? `join ${joined}` : `${reason} ${place}`);
  let row = found.get(key);
  if (!row) {
    const what = joined >= 0 ? `the end of ${names[joined]}` : lock ? `${reason} ${store.locks[lock]}` : reason;
    row = { lock: what, created: store.lockPlaces[lock], lane: wait.lane, first: wait.start, total: 0, count: 0, longest: 0, at: 0, waiters: new Set(), wakers: new Map(), places: new Map() };
    found.set(key, row);
  }
  addAmount(row.places, place, wait.end - wait.start);
  return row;
}

function addWait(row, store, wait) {
  const ns = wait.end - wait.start;
  row.total += ns;
  row.count += 1;
  row.waiters.add(wait.lane);
  row.first = Math.min(row.first, wait.start);
  if (ns > row.longest) { row.longest = ns; row.at = wait.start; row.lane = wait.lane; }
  const waker = wait.blocker;
  if (waker < 0) return;
  const where = store.reasons[store.kinds.reason[wait.kind]] === JOIN ? 0 : 1 + functionAt(store, waker, wait.over);
  addAmount(row.wakers, waker * (store.functions.length + 1) + where, 1);
}

/** The Python function a thread was in when it let another go on, as an index into Store.functions; one that ended was in none. */
function functionAt(store, lane, time) {
  const there = intervalAt(store, lane, time);
  if (there < 0 || time < laneStart(store, lane)) return 0;
  const kind = store.kind[there];
  return store.functions[store.kinds.caller[kind]] ? store.kinds.caller[kind] : store.kinds.fn[kind];
}

function finished({ waiters, wakers, places, ...row }, store, names) {
  const most = mostOf(wakers);
  const width = store.functions.length + 1;
  return {
    ...row, threads: waiters.size, place: mostOf(places) ?? '',
    waker: most === null ? '' : names[Math.floor(most / width)], wakerIn: most === null ? '' : functionNamed(store, (most % width) - 1),
  };
}

function functionNamed(store, fn) { return fn < 0 ? '' : store.functions[fn]; }

function addAmount(map, key, amount) { map.set(key, (map.get(key) ?? 0) + amount); }

function mostOf(map) { return [...map].reduce((best, one) => (one[1] > best[1] ? one : best), [null, -1])[0]; }
