// Rows of the page's tables for a range of time, and their order. Pure functions.

import { PREEMPTED, STALLED, STATES } from './aggregate.js';

/**
 * @typedef {object} Column
 * @property {string} key of the row's field
 * @property {string} label
 * @property {'text' | 'duration' | 'instant' | 'count' | 'percent' | 'state' | 'id'} type
 * @property {string} [title] what the column means
 *
 * @typedef {Record<string, string | number | null>} Row `lane`, where there is one, names the thread
 */

/**
 * One row a thread that lived within the range.
 * @param {object[]} threads
 * @param {Float64Array[]} totals of each lane, ns
 * @param {string[]} states
 * @param {import('./view.js').Range} range
 * @returns {Row[]}
 */
export function threadRows(threads, totals, states, range) {
  const rows = [];
  threads.forEach((thread, lane) => {
    const from = Math.max(thread.start, range.from);
    const to = Math.min(thread.end, range.to);
    if (to < from || (to === from && range.to > range.from && thread.end > thread.start)) return;
    const row = {
      lane, thread: thread.name, tid: thread.tid, target: thread.target, lifetime: to - from, start: thread.start,
      created: thread.created, parent: thread.parent, daemon: thread.daemon ? 'daemon' : '', end: thread.ended ? thread.end : null,
    };
    for (let s = 0; s < STATES; s += 1) row[states[s]] = totals[lane][s];
    rows.push(row);
  });
  return rows;
}

/**
 * What each thread did other than run Python, by reason and function.
 * @param {import('./store.js').Store} store
 * @param {import('./aggregate.js').KindTotals} totals
 * @param {object} words `names` of the lanes, `states`, `waits` (numbers of states)
 * @returns {Row[]}
 */
export function waitRows(store, totals, words) {
  const { kinds } = store;
  const waits = new Set(words.waits);
  const found = new Map();
  for (let k = 0; k < kinds.state.length; k += 1) {
    if (!totals.count[k] || !waits.has(kinds.state[k])) continue;
    const key = [kinds.lane[k], kinds.state[k], kinds.fn[k], kinds.caller[k], kinds.reason[k]].join();
    let row = found.get(key);
    if (!row) {
      row = {
        lane: kinds.lane[k], thread: words.names[kinds.lane[k]], state: words.states[kinds.state[k]],
        reason: store.reasons[kinds.reason[k]], function: store.functions[kinds.fn[k]],
        caller: kinds.caller[k] === kinds.fn[k] ? '' : store.functions[kinds.caller[k]], total: 0, count: 0, longest: 0, at: 0,
      };
      found.set(key, row);
    }
    row.total += totals.ns[k];
    row.count += totals.count[k];
    if (totals.longest[k] > row.longest) { row.longest = totals.longest[k]; row.at = totals.longestAt[k]; }
  }
  return [...found.values()].sort((a, b) => b.total - a.total);
}

/**
 * The longest interval in a state, and its thread.
 * @param {import('./store.js').Store} store
 * @param {import('./aggregate.js').KindTotals} totals
 * @param {number} state
 * @returns {{ns: number, lane: number}}
 */
export function longestOf(store, totals, state) {
  const found = { ns: 0, lane: -1 };
  store.kinds.state.forEach((one, k) => {
    if (one === state && totals.longest[k] > found.ns) { found.ns = totals.longest[k]; found.lane = store.kinds.lane[k]; }
  });
  return found;
}

/** @param {import('./blame.js').Blame[]} blame @param {string[]} functions @returns {Row[]} */
export function blameRows(blame, functions) {
  return blame.map((found) => ({
    lane: found.lane, thread: found.waiter, holder: found.holder, function: functions[found.fn],
    total: found.ns, count: found.count, longest: found.longest, at: found.at,
  }));
}

/** How threads stood to locks when the program was asked to end. @param {object} config @returns {Row[]} */
export function standingRows(config) {
  const nameOf = (lane) => config.threads[lane]?.name ?? '';
  return config.standing.map((one) => ({ ...one, thread: nameOf(one.lane), holder: one.role === 'has' ? '' : nameOf(one.owner) }));
}

/** @param {import('./wakeups.js').Latency[]} found @param {{causes: string[], names: string[]}} words @returns {Row[]} */
export function wakeupRows(found, words) {
  return found.map(({ cause, ...latency }) => ({ ...latency, cause: words.causes[cause], thread: words.names[latency.lane] }));
}

/**
 * @param {import('./gil.js').Holds} holds
 * @param {import('./store.js').Store} store
 * @param {{names: string[], switchInterval: number}} words
 * @returns {Row[]}
 */
export function holdRows(holds, store, words) {
  return holds.longest.map((hold) => {
    const name = store.functions[store.kinds.fn[hold.kind]];
    const note = hold.ns > 1.5 * words.switchInterval ? longHoldNote(store, hold.kind, name) : '';
    return { lane: hold.lane, thread: words.names[hold.lane], function: name, at: hold.start, total: hold.ns, note };
  });
}

/** Why a hold outlasted the switch interval, by its longest part. Python code lets the GIL go when asked; a C call only where it was written to. */
function longHoldNote(store, kind, name) {
  if (store.kinds.state[kind] === STALLED) return 'blocks while it keeps the GIL';
  if (store.kinds.state[kind] === PREEMPTED) return 'lost its core while it had the GIL';
  return name && !isPython(name) ? 'does not release the GIL' : 'nobody else asked, or a call inside kept it';
}

/**
 * Whether a function is Python code: those are named with their file and line.
 * @param {string} name
 * @returns {boolean}
 */
export function isPython(name) { return / \(.*:\d+\)$/.test(name); }

/**
 * The rows in order of a column; what is missing comes last either way.
 * @param {Row[]} rows
 * @param {string} key
 * @param {1 | -1} direction
 * @returns {Row[]}
 */
export function sortRows(rows, key, direction) {
  const collator = new Intl.Collator('en', { numeric: true });
  return rows.map((row, i) => [row, i]).sort(([a, i], [b, j]) => {
    const x = a[key];
    const y = b[key];
    if (x === null || y === null || x === undefined || y === undefined) return Number(x == null) - Number(y == null) || i - j;
    const order = typeof x === 'number' && typeof y === 'number' ? x - y : collator.compare(String(x), String(y));
    return order * direction || i - j;
  }).map(([row]) => row);
}

/**
 * The rows in which some text field contains the words.
 * @param {Row[]} rows
 * @param {string} words
 * @returns {Row[]}
 */
export function filterRows(rows, words) {
  const wanted = words.trim().toLowerCase();
  if (!wanted) return rows;
  return rows.filter((row) => Object.values(row).some((value) => typeof value === 'string' && value.toLowerCase().includes(wanted)));
}

/**
 * Lines for a CSV file: seconds as numbers.
 * @param {Column[]} columns
 * @param {Row[]} rows
 * @returns {(string | number)[][]}
 */
export function csvRows(columns, rows) {
  const head = columns.map((column) => (isTime(column) ? `${column.key}_s` : column.key));
  return [head, ...rows.map((row) => columns.map((column) => {
    const value = row[column.key];
    if (value === null || value === undefined) return '';
    return isTime(column) ? Number(value) / 1e9 : value;
  }))];
}

function isTime(column) { return column.type === 'duration' || column.type === 'instant'; }
