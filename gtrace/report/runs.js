// Several runs drawn below each other on one axis: each run its lanes, all of them one view.

import { STATES, buildSums, laneTotals } from './aggregate.js';
import { drawLanes, paintOf, stripePatterns } from './draw.js';
import { formatDuration, formatPercent } from './format.js';
import { peakAlive } from './groups.js';
import { arrangeRows, folding, rowFor } from './lanes.js';
import { decodeStore } from './store.js';
import { drawAxis, drawTicks, prepare } from './strips.js';
import { sameRange } from './view.js';

/** Above so many lanes a run's pools are folded from the start. */
const MANY_LANES = 12;
/** Shares below this are left out of the words of a run. */
const LEAST_SHARE = 0.005;
/** A view that does not change for so long rests, ms. */
const REST = 90;

/**
 * One run: as much of a timeline as rows, labels and words under the pointer need.
 * @param {object} all the runs it stands among
 * @param {{config: object, root: HTMLElement, blob: string}} parts
 */
export async function createRun(all, parts) {
  const { config, root } = parts;
  const store = await decodeStore(config.columns, parts.blob);
  const world = { config, store, sums: buildSums(store) };
  const element = (name) => root.querySelector(`[data-part=${name}]`);
  const lanes = config.threads.map((_, lane) => lane);
  const names = config.threads.map((thread) => thread.name);
  const run = {
    all, world, element, names, duration: Math.max(1, config.duration), states: config.states.map((state) => state.id),
    totals: lanes.map((lane) => laneTotals(store, world.sums, lane, 0, Math.max(1, config.duration))),
    sort: 'start', search: '', onTop: new Set(), open: new Set(), fold: lanes.length > MANY_LANES && folding(lanes, names).can,
    canvas: root.querySelector('canvas'), scroll: element('lane-scroll'), body: element('lane-body'), sheet: document.createElement('canvas'),
    striped: Uint8Array.from(config.states, (state) => (state.striped ? 1 : 0)), row: rowFor(lanes.length), rows: [],
    peak: peakAlive(config.threads), width: 0, get view() { return all.view; }, get hidden() { return all.hidden; },
  };
  run.rearrange = () => { arrangeRows(run); redrawRuns(all); };
  arrangeRows(run);
  run.scroll.addEventListener('scroll', () => redrawRuns(all));
  return run;
}

/**
 * All runs and what they share: the view, the hidden states, the colours.
 * @param {object} config
 * @param {(id: string) => HTMLElement} element
 */
export async function createRuns(config, element) {
  const duration = Math.max(1, ...config.runs.map((run) => run.duration));
  const all = {
    config, element, whole: { from: 0, to: duration }, view: { from: 0, to: duration }, hidden: new Set(), history: [], runs: [], drag: null, frame: 0, onMove: () => {},
  };
  all.moved = () => { redrawRuns(all); all.onMove(); };
  const shared = { states: config.states, evidence: config.evidence };
  all.runs = await Promise.all(config.runs.map((run, i) => createRun(all, {
    config: { ...run, ...shared }, root: element(`run-${i}`), blob: element(`blob-${i}`).textContent,
  })));
  return all;
}

/** Takes up the colours of a theme. @param {object} all @param {{name: string, tokens: Record<string, string>}} theme */
export function useColours(all, { name, tokens }) {
  all.ink = tokens;
  all.paint = paintOf(all.config.states, name, tokens);
  for (const run of all.runs) run.patterns = stripePatterns(run.canvas.getContext('2d'), all.paint);
  redrawRuns(all);
}

/** Draws once before the browser paints next, however often it is asked to. */
export function redrawRuns(all) {
  if (all.frame || !all.paint) return;
  all.frame = requestAnimationFrame(() => { all.frame = 0; drawRuns(all); });
}

function drawRuns(all) {
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  for (const run of all.runs) drawRun(run, ratio);
  recountShares(all);
  const width = all.runs[0].width;
  drawAxis(all.element('runs-axis'), all.view, { line: all.paint.line, muted: all.ink.muted }, { width, ratio });
  const { from, to } = all.view;
  all.element('view-note').textContent = `${formatDuration(to - from)} in view · columns of ${formatDuration((to - from) / width)} show shares where intervals are shorter`;
}

function drawRun(run, ratio) {
  const { all } = run;
  run.width = Math.max(1, run.body.clientWidth);
  const height = Math.max(1, Math.min(run.scroll.clientHeight, run.rows.length * run.row.height));
  const size = { width: run.width, height, ratio };
  const context = prepare(run.canvas, size);
  drawTicks(context, all.view, all.paint.line, size);
  const top = run.scroll.scrollTop;
  const first = Math.floor(top / run.row.height);
  const last = Math.min(run.rows.length, Math.ceil((top + height) / run.row.height));
  const rows = run.rows.slice(first, last).map((row, i) => ({ ...row, top: (first + i) * run.row.height - top }));
  const { store, sums } = run.world;
  drawLanes(run.canvas, {
    store, sums, names: run.names, view: all.view, hidden: all.hidden, paint: all.paint, striped: run.striped, sheet: run.sheet,
    patterns: run.patterns, rows, row: run.row, duration: run.duration,
  }, size);
  drawEnd(context, run, size);
  drawRange(context, all, size);
}

/** Where a run ends that is shorter than the longest: after it there is nothing, not something idle. */
function drawEnd(context, run, size) {
  const { view, paint } = run.all;
  const x = ((run.duration - view.from) / (view.to - view.from)) * size.width;
  if (x >= size.width - 1) return;
  context.fillStyle = run.all.ink.ink;
  if (x >= 0) context.fillRect(Math.round(x), 0, 1, size.height);
  const text = `ended after ${formatDuration(run.duration)}`;
  const left = Math.max(x, 0) + 6;
  const wide = context.measureText(text).width;
  if (left + wide > size.width) return;
  context.fillStyle = paint.page;
  context.fillRect(left - 2, 1, wide + 4, 14);
  context.fillStyle = run.all.ink.muted;
  context.fillText(text, left, 8.5);
}

function drawRange(context, all, size) {
  const range = all.drag?.range;
  if (!range) return;
  const x = (time) => ((time - all.view.from) / (all.view.to - all.view.from)) * size.width;
  context.fillStyle = all.paint.accent;
  context.globalAlpha = 0.16;
  context.fillRect(x(range.from), 0, x(range.to) - x(range.from), size.height);
  context.globalAlpha = 1;
}

/** Counting over all lanes costs more than drawing those in sight, so it waits until the view rests. */
function recountShares(all) {
  if (all.counted && sameRange(all.counted, all.view)) return;
  clearTimeout(all.sharesTimer);
  all.sharesTimer = setTimeout(() => {
    all.counted = all.view;
    all.runs.forEach(writeShares);
  }, all.counted ? REST : 0);
}

/** What the threads of a run did in the part in view, in words. */
function writeShares(run) {
  const { view } = run.all;
  const seconds = new Float64Array(STATES);
  for (let lane = 0; lane < run.world.store.lanes; lane += 1) {
    const totals = laneTotals(run.world.store, run.world.sums, lane, view.from, view.to);
    for (let s = 0; s < STATES; s += 1) seconds[s] += totals[s];
  }
  const all = seconds.reduce((sum, ns) => sum + ns, 0);
  const shares = Array.from(seconds, (ns, s) => ({ state: run.world.config.states[s], share: all ? ns / all : 0 }));
  const seen = shares.filter(({ share }) => share >= LEAST_SHARE).sort((a, b) => b.share - a.share);
  run.element('shares').textContent = seen.length ? seen.map(({ state, share }) => `${state.label} ${formatPercent(share)}`).join(' · ') : 'nothing in view';
}
