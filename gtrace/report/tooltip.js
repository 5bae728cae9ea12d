// What is under the pointer, in words.

import { STATES, SUMS, totalsUntil } from './aggregate.js';
import { formatCount, formatDuration, formatInstant, formatPercent } from './format.js';
import { HOLDS, heldAt } from './gil.js';
import { joinAt, joinWords, joinsEndedBy } from './joins.js';
import { chainOf, intervalAt } from './store.js';

/**
 * @typedef {{title: string, state: number, lines: [string, string][]}} Words `state` is -1 where there are several
 */

/**
 * One interval in words.
 * @param {object} config
 * @param {import('./store.js').Store} store
 * @param {number} lane
 * @param {number} i
 * @returns {Words}
 */
export function intervalWords(config, store, lane, i) {
  const start = store.bounds[i + lane];
  const end = store.bounds[i + lane + 1];
  const kind = store.kind[i];
  const { kinds } = store;
  const state = config.states[kinds.state[kind]];
  const evidence = config.evidence[kinds.evidence[kind]];
  const join = state.id === 'lock_wait' ? joinAt(config.joins, lane, start) : null;
  const lines = [
    ['', state.meaning],
    ['lasted', formatDuration(end - start)],
    ['from', formatInstant(start, Math.max((end - start) / 10, 1))],
    [config.endsIn && kinds.gil[kind] === HOLDS ? 'hold ended in' : 'function', store.functions[kinds.fn[kind]]],
    ['called by', callers(store, kind)],
    ['reason', store.reasons[kinds.reason[kind]]],
    ['lock', store.locks[kinds.lock[kind]]],
    ['created in', store.lockPlaces[kinds.lock[kind]]],
    ['waits for', join ? joinWords(join, config.threads) : ''],
    ['awaited by', i + 1 === store.from[lane + 1] ? awaiters(config, lane) : ''],
    [state.id === 'gil_wait' ? 'GIL held by' : 'woken by', join ? '' : blockerWords(config, store, store.blocker[i], state.id === 'gil_wait' ? (start + end) / 2 : end)],
    ['core', store.core[i] ? String(store.core[i] - 1) : ''],
    ['known', `${evidence.id}: ${evidence.meaning}`],
  ];
  return { title: config.threads[lane].name, state: kinds.state[kind], lines: lines.filter(([, value]) => value) };
}

/** The functions around an interval's own, innermost first. */
function callers(store, kind) {
  const around = chainOf(store, kind).slice(1);
  if (around.length) return around.join(' ← ');
  return store.kinds.caller[kind] === store.kinds.fn[kind] ? '' : store.functions[store.kinds.caller[kind]];
}

/** Whose join the end of a thread let go on. */
function awaiters(config, lane) {
  const names = new Set(joinsEndedBy(config.joins, lane).map((join) => config.threads[join.lane].name));
  return names.size ? `${[...names].join(', ')}, which waited for this thread to end` : '';
}

/** A thread, and what it was doing at an instant. */
function blockerWords(config, store, lane, time) {
  if (lane < 0) return '';
  const name = config.threads[lane].name;
  const there = intervalAt(store, lane, time);
  const doing = there < 0 ? '' : store.functions[store.kinds.fn[store.kind[there]]];
  if (!doing) return name;
  return `${name}, ${config.endsIn && store.kinds.gil[store.kind[there]] === HOLDS ? 'until' : 'in'} ${doing}`;
}

/**
 * Many intervals in words: the share of each state.
 * @param {object} config
 * @param {import('./store.js').Store} store
 * @param {import('./aggregate.js').Sums} sums
 * @param {{title: string, lanes: number[], from: number, to: number}} cell
 * @returns {Words}
 */
export function cellWords(config, store, sums, cell) {
  const before = new Float64Array(SUMS);
  const after = new Float64Array(SUMS);
  const total = new Float64Array(STATES);
  let count = 0;
  for (const lane of cell.lanes) {
    count += 1 - totalsUntil(store, sums, lane, cell.from, before) + totalsUntil(store, sums, lane, cell.to, after);
    for (let s = 0; s < STATES; s += 1) total[s] += after[s] - before[s];
  }
  const all = total.reduce((sum, ns) => sum + ns, 0) || 1;
  const shares = Array.from(total, (ns, s) => [s, ns / all]);
  const lines = shares.filter(([, share]) => share > 0.0005).sort((a, b) => b[1] - a[1])
    .map(([s, share]) => [config.states[s].label, formatPercent(share)]);
  const from = formatInstant(cell.from, (cell.to - cell.from) / 2);
  lines.unshift(['', `${formatCount(count)} intervals in ${formatDuration(cell.to - cell.from)}, from ${from}`]);
  return { title: cell.title, state: -1, lines };
}

/**
 * Who holds the GIL at an instant, in words.
 * @param {object} self the timeline
 * @param {number} time
 * @returns {Words | null}
 */
export function holderWords(self, time) {
  const { config, store } = self.world;
  const place = self.held ? heldAt(self.held, time) : -1;
  if (place < 0) return { title: 'Nobody is known to hold the GIL', state: -1, lines: [] };
  const lane = self.held.lane[place];
  return { ...intervalWords(config, store, lane, intervalAt(store, lane, time)), title: `${config.threads[lane].name} holds the GIL` };
}

/**
 * Cores in use around an instant, in words.
 * @param {object} self the timeline
 * @param {number} time
 * @returns {Words | null}
 */
export function coresWords(self, time) {
  if (!self.cores) return null;
  const { view, used } = self.cores;
  const slice = Math.floor(((time - view.from) / (view.to - view.from)) * used.running.length);
  if (!(slice >= 0 && slice < used.running.length)) return null;
  const [running, native] = [used.running[slice], used.native[slice]];
  const { config } = self.world;
  const lines = [['running', running.toFixed(2)], ['native', native.toFixed(2)]];
  return { title: `${(running + native).toFixed(2)} of ${config.cores} cores in use`, state: -1, lines };
}

/**
 * Fills an element with words; all of them as text.
 * @param {HTMLElement} element
 * @param {Words} words
 * @param {object[]} states
 */
export function showWords(element, words, states) {
  const head = document.createElement('p');
  head.className = 'words-title';
  head.append(words.title);
  if (words.state >= 0) {
    const state = document.createElement('span');
    state.className = 'words-state';
    const swatch = document.createElement('span');
    swatch.className = `swatch ${states[words.state].id}`;
    state.append(swatch, states[words.state].label);
    head.append(state);
  }
  const plain = words.lines.filter(([label]) => !label).map(([, value]) => paragraph(value));
  const list = document.createElement('dl');
  for (const [label, value] of words.lines.filter(([name]) => name)) {
    const row = document.createElement('div');
    const dt = document.createElement('dt');
    const dd = document.createElement('dd');
    dt.textContent = label;
    dd.textContent = value;
    row.append(dt, dd);
    list.append(row);
  }
  element.replaceChildren(head, ...plain, list);
}

/**
 * Shows words beside the pointer, within the window; hides them where there are none.
 * @param {HTMLElement} tooltip
 * @param {Words | null} words
 * @param {object[]} states
 * @param {PointerEvent} event
 */
export function showAt(tooltip, words, states, event) {
  tooltip.hidden = !words;
  if (!words) return;
  showWords(tooltip, words, states);
  const { offsetWidth: width, offsetHeight: height } = tooltip;
  const left = event.clientX + 16 + width > window.innerWidth ? event.clientX - width - 12 : event.clientX + 16;
  const top = event.clientY + 18 + height > window.innerHeight ? event.clientY - height - 12 : event.clientY + 18;
  tooltip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
}

function paragraph(text) {
  const element = document.createElement('p');
  element.className = 'words-plain';
  element.textContent = text;
  return element;
}
