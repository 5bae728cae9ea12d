// The rows of the timeline: which lanes, in which order, and their labels.

import { sumStates } from './charts.js';
import { findWords } from './find.js';
import { formatCount, formatDuration } from './format.js';
import { foldRows, nativePools, peakAlive, poolsOf } from './groups.js';

/** Above so many threads their pools are folded from the start. */
const MANY = 100;

/**
 * Whether there are pools to fold, and whether to begin with them folded.
 * @param {number[]} lanes
 * @param {string[]} names
 * @returns {{can: boolean, begin: boolean}}
 */
export function folding(lanes, names) {
  const can = poolsOf(lanes, names).some((pool) => pool.lanes.length > 2);
  return { can, begin: can && lanes.length > MANY };
}

/**
 * The height of a lane and of the bar in it, px.
 * @param {number} lanes
 * @returns {{height: number, bar: number}}
 */
export function rowFor(lanes) {
  if (lanes <= 12) return { height: 32, bar: 22 };
  if (lanes <= 60) return { height: 24, bar: 16 };
  return { height: 18, bar: 12 };
}

/**
 * The lanes in the order a reader asked for.
 * @param {string} by
 * @param {object[]} threads
 * @param {Float64Array[]} totals of the whole run
 * @param {string[]} states
 * @returns {number[]}
 */
export function laneOrder(by, threads, totals, states) {
  const lanes = threads.map((_, lane) => lane);
  const most = (value) => lanes.sort((a, b) => value(totals[b]) - value(totals[a]) || a - b);
  if (by === 'name') {
    const collator = new Intl.Collator('en', { numeric: true });
    return lanes.sort((a, b) => collator.compare(threads[a].name, threads[b].name) || a - b);
  }
  if (by === 'run') return most((t) => t[0] + t[1]);
  if (by === 'gil_wait') return most((t) => t[states.indexOf('gil_wait')]);
  if (by === 'wait') return most((t) => sumStates(t) - t[0] - t[1] - t[states.indexOf('unknown')]);
  return lanes;
}

/** Puts the lanes in order, leaves out those the search does not find, and writes their labels. */
export function arrangeRows(self) {
  const { threads } = self.world.config;
  self.order = laneOrder(self.sort, threads, self.totals, self.states);
  const wanted = self.search.trim().toLowerCase();
  if (!wanted) self.found = null; else if (self.found?.wanted !== wanted) self.found = findWords(self.world.store, wanted);
  const onTop = self.order.filter((lane) => self.onTop.has(lane));
  self.order = [...onTop, ...self.order.filter((lane) => !self.onTop.has(lane))];
  self.shown = wanted ? self.order.filter((lane) => laneMatches(self, lane, wanted)) : self.order;
  const free = self.shown.filter((lane) => !self.onTop.has(lane));
  const native = nativePools(free, threads);
  const folded = new Set(native.flatMap((pool) => pool.lanes));
  const foldable = [...native, ...(self.fold ? poolsOf(free.filter((lane) => !folded.has(lane)), self.names) : [])];
  for (const pool of foldable) pool.peak = peakAlive(pool.lanes.map((lane) => threads[lane]));
  self.rows = foldRows(self.shown, foldable, self.open);
  self.row = rowFor(self.rows.length);
  const labels = self.rows.map((row) => (row.pool ? poolLabel(self, row.pool) : laneLabel(self, row.lane)));
  self.element('lane-labels').replaceChildren(...labels);
  self.element('lanes').dataset.rows = self.row.height < 24 ? 'low' : 'high';
  self.element('lanes').style.setProperty('--lane-height', `${self.row.height}px`);
  self.body.style.height = `${Math.max(1, self.rows.length) * self.row.height}px`;
}

function laneMatches(self, lane, wanted) {
  const thread = self.world.config.threads[lane];
  if (`${thread.name} ${thread.target} ${thread.tid}`.toLowerCase().includes(wanted)) return true;
  return self.found.intervals[lane].length > 0;
}

function laneLabel(self, lane) {
  const thread = self.world.config.threads[lane];
  const label = document.createElement('div');
  label.className = 'lane-label';
  label.dataset.lane = String(lane);
  label.title = `${thread.name}\nnative id ${thread.tid}${thread.daemon ? ', daemon' : ''}${thread.target ? `\nruns ${thread.target}` : ''}`;
  const name = document.createElement('span');
  name.textContent = thread.name;
  label.append(name);
  return label;
}

/** What the threads of a pool did in all, most first. */
function sumWords(self, pool) {
  const sums = self.world.config.states.map((state, s) => [state.label, pool.lanes.reduce((sum, lane) => sum + self.totals[lane][s], 0)]);
  return sums.filter(([, ns]) => ns > 0).sort((a, b) => b[1] - a[1]).map(([label, ns]) => `${label} ${formatDuration(ns)}`).join('\n');
}

function poolLabel(self, pool) {
  const label = document.createElement('div');
  label.className = 'lane-label pool';
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'link';
  button.title = `${pool.name}\n${pool.lanes.length} threads\n${sumWords(self, pool)}`;
  button.setAttribute('aria-expanded', String(self.open.has(pool.name)));
  button.textContent = `${self.open.has(pool.name) ? '▾' : '▸'} ${pool.name} (${formatCount(pool.lanes.length)})`;
  button.addEventListener('click', () => {
    if (self.open.has(pool.name)) self.open.delete(pool.name); else self.open.add(pool.name);
    self.rearrange();
  });
  label.append(button);
  return label;
}
