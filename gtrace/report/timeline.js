// The timeline a reader moves through: owns the view, the selection and the pin; tells others by callbacks.

import { STATES, SUMS, laneTotals } from './aggregate.js';
import { slicesOf } from './charts.js';
import { drawLanes, hasRoom, paintOf, stripePatterns } from './draw.js';
import { edgeOf, nextMatch } from './find.js';
import { elide, formatCount, formatDuration } from './format.js';
import { peakAlive } from './groups.js';
import { arrangeRows, rowFor } from './lanes.js';
import { drawMarks } from './marks.js';
import { intervalAt, laneEnd, laneStart } from './store.js';
import { coresInUse, drawAxis, drawCores, drawGil, drawOverview, drawTicks, prepare, spreadCells } from './strips.js';
import { cellWords, intervalWords, showWords } from './tooltip.js';
import { show } from './navigate.js';
import { sameRange, withMargin } from './view.js';

/**
 * @param {object} world `config store sums`
 * @param {{onSelect: (range: object | null) => void, onMove: () => void}} callbacks
 */
export function createTimeline(world, callbacks) {
  const element = (id) => document.getElementById(id);
  const { config, store, sums } = world;
  const duration = Math.max(1, config.duration);
  const whole = wholeOf(config);
  const states = config.states.map((state) => state.id);
  const totals = config.threads.map((_, lane) => laneTotals(store, sums, lane, whole.from, whole.to));
  const self = {
    world, callbacks, duration, whole, states, totals, element,
    view: whole, selection: null, pin: null, history: [],
    order: [], shown: [], rows: [], fold: false, open: new Set(), onTop: new Set(), peak: peakAlive(config.threads),
    row: rowFor(store.lanes), hidden: new Set(), sort: 'start', search: '', found: null, drag: null,
    canvas: element('lane-canvas'), scroll: element('lane-scroll'), body: element('lane-body'),
    sheet: document.createElement('canvas'), striped: Uint8Array.from(config.states, (s) => (s.striped ? 1 : 0)),
    overviewCells: null, cores: null, held: null, frame: 0, width: 0, names: config.threads.map((thread) => thread.name),
  };
  self.rearrange = () => arrange(self);
  self.moved = () => { redraw(self); callbacks.onMove(); };
  self.rearrange();
  return self;
}

/** Puts the rows in order again, after the reader sorted, searched, folded or kept a thread on top. */
export function arrange(self) {
  arrangeRows(self);
  redraw(self);
}

/** Takes up the colours of a theme. @param {object} self @param {{name: string, tokens: Record<string, string>}} theme */
export function useTheme(self, { name, tokens }) {
  self.paint = paintOf(self.world.config.states, name, tokens);
  self.ink = tokens;
  self.patterns = stripePatterns(self.canvas.getContext('2d'), self.paint);
  redraw(self);
}

/** Draws once before the browser paints next, however often it is asked to. */
export function redraw(self) {
  if (self.frame || !self.paint) return;
  self.frame = requestAnimationFrame(() => { self.frame = 0; draw(self); });
}

function draw(self) {
  const began = performance.now();
  const ratio = Math.min(window.devicePixelRatio || 1, 2);
  const width = Math.max(1, self.body.clientWidth);
  const height = Math.max(1, Math.min(self.scroll.clientHeight, self.rows.length * self.row.height));
  if (self.width !== width) { self.width = width; self.overviewCells = null; self.cores = null; }
  const scene = sceneOf(self, height);
  drawTicks(prepare(self.canvas, { width, height, ratio }), self.view, self.paint.line, { width, height });
  drawLanes(self.canvas, scene, { width });
  drawMarks(self, scene, { width, height, ratio });
  drawStrips(self, scene, { width, ratio });
  writeNote(self, scene, width);
  self.lastDraw = performance.now() - began;
}

function drawStrips(self, scene, size) {
  const { store, sums, config } = self.world;
  const cells = Math.max(1, Math.floor(size.width));
  if (!self.overviewCells) {
    const run = { from: 0, to: self.duration };
    self.overviewCells = config.overview ? spreadCells(config.overview, cells) : withoutEvidence(slicesOf(store, sums, run, cells));
  }
  const overviewNs = config.overview ? config.overview.most : (self.duration / cells) * self.peak;
  drawOverview(self.element('overview'), self.overviewCells, { ...scene, overviewNs }, size);
  drawAxis(self.element('axis'), self.view, { line: self.paint.line, muted: self.ink.muted }, size);
  if (self.held) drawGil(self.element('gil'), self.held, scene, size);
  const drawnFor = self.cores && sameRange(self.cores.view, self.view);
  if (drawnFor) drawCores(self.element('cores'), self.cores.used, { paint: self.paint, cores: config.cores, ink: self.ink.ink }, size);
  else recountCores(self);
}

/** The part of the run whose intervals the page holds: mostly all of it. @param {object} config @returns {import('./view.js').Range} */
export function wholeOf(config) { return config.part ?? { from: 0, to: Math.max(1, config.duration) }; }

/** In the sum of all lanes stripes would only be noise. */
function withoutEvidence(cells) {
  for (let at = 0; at < cells.length; at += SUMS) cells.fill(0, at + STATES, at + SUMS);
  return cells;
}

/** Counting over all lanes costs more than drawing those in sight, so it waits until the view rests. */
function recountCores(self) {
  clearTimeout(self.coresTimer);
  self.coresTimer = setTimeout(() => {
    const { store, sums } = self.world;
    self.cores = { view: self.view, used: coresInUse(store, sums, self.view, self.width) };
    redraw(self);
  }, self.cores ? 90 : 0);
}

/** Takes up who held the GIL, which is worked out after the first paint. */
export function useHeld(self, held) {
  self.held = held && held.start.length ? held : null;
  self.element('lanes').classList.toggle('no-gil', !self.held);
  redraw(self);
}

function sceneOf(self, height) {
  const { store, sums } = self.world;
  const top = self.scroll.scrollTop;
  const first = Math.floor(top / self.row.height);
  const last = Math.min(self.rows.length, Math.ceil((top + height) / self.row.height));
  const rows = [];
  for (let at = first; at < last; at += 1) rows.push({ ...self.rows[at], top: at * self.row.height - top });
  return {
    store, sums, names: self.names, view: self.view, hidden: self.hidden, paint: self.paint, striped: self.striped, sheet: self.sheet,
    patterns: self.patterns, rows, row: self.row, duration: self.duration,
  };
}

function writeNote(self, scene, width) {
  const { from, to } = self.view;
  const { store } = self.world;
  const alive = self.shown.filter((lane) => laneEnd(store, lane) > from && laneStart(store, lane) < to);
  const inView = alive.reduce((sum, lane) => sum + intervalAt(store, lane, to) - intervalAt(store, lane, from) + 1, 0);
  const shares = scene.rows.some((row) => !hasRoom(scene.store, row.lane, self.view, width));
  const words = [`${formatDuration(to - from)} in view`, inView === 1 ? '1 interval' : `${formatCount(inView)} intervals`];
  words.push(shares ? `columns of ${formatDuration((to - from) / width)} show shares` : 'every interval drawn by itself');
  const closed = self.rows.filter((row) => row.pool && !self.open.has(row.pool.name)).length;
  if (closed) words.push(closed === 1 ? '1 pool folded' : `${closed} pools folded`);
  if (self.search) words.push(`${self.shown.length} of ${self.order.length} threads match “${self.search}”`);
  if (self.found?.count) words.push(`${formatCount(self.found.count)} intervals of it, marked; Enter shows the next`);
  self.element('view-note').textContent = words.join(' · ');
}

/** Zooms to the selection, else to the pinned interval. */
export function showChosen(self) {
  if (self.selection) show(self, withMargin(self.selection, self.whole));
  else if (self.pin) {
    const { lane, interval } = self.pin;
    show(self, withMargin({ from: self.world.store.bounds[interval + lane], to: self.world.store.bounds[interval + lane + 1] }, self.whole));
  }
}

/** Selects a range, or none with null. */
export function select(self, range) {
  self.selection = range && range.to > range.from ? clampSelection(range, self.whole) : null;
  redraw(self);
  self.callbacks.onSelect(self.selection);
}

function clampSelection(range, whole) { return { from: Math.max(whole.from, Math.round(range.from)), to: Math.min(whole.to, Math.round(range.to)) }; }

/** Pins an interval: outlined, with its words below the lanes. */
export function pin(self, lane, interval) {
  const ended = interval < self.world.store.from[lane] || interval >= self.world.store.from[lane + 1];
  if (ended) return;
  self.pin = { lane, interval };
  const start = self.world.store.bounds[interval + lane];
  const end = self.world.store.bounds[interval + lane + 1];
  if (end < self.view.from || start > self.view.to) {
    const half = (self.view.to - self.view.from) / 2;
    show(self, { from: (start + end) / 2 - half, to: (start + end) / 2 + half });
  }
  showPinned(self, lane, interval);
  reveal(self, lane);
  const at = self.rows.findIndex((row) => row.lane === lane) * self.row.height;
  if (at < self.scroll.scrollTop) self.scroll.scrollTop = at;
  if (at + self.row.height > self.scroll.scrollTop + self.scroll.clientHeight) self.scroll.scrollTop = at + self.row.height - self.scroll.clientHeight;
  for (const label of self.element('lane-labels').children) label.classList.toggle('pinned-lane', label.dataset.lane === String(lane));
  redraw(self);
}

function showPinned(self, lane, interval) {
  const { config, store } = self.world;
  const panel = self.element('pinned');
  showWords(panel, intervalWords(config, store, lane, interval), config.states);
  const actions = document.createElement('p');
  actions.className = 'pinned-actions';
  const act = (text, action) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'quiet';
    button.textContent = text;
    button.addEventListener('click', action);
    actions.append(button);
  };
  const start = store.bounds[interval + lane];
  const end = store.bounds[interval + lane + 1];
  act('Zoom to it', () => show(self, withMargin({ from: start, to: end }, self.whole)));
  act(self.onTop.has(lane) ? 'No longer on top' : 'Keep thread on top', () => { keepOnTop(self, lane); pin(self, lane, interval); });
  act('Select its time', () => select(self, { from: start, to: end }));
  const blocker = store.blocker[interval];
  if (blocker >= 0) act(`Go to ${elide(self.names[blocker], 30)}`, () => pin(self, blocker, intervalAt(store, blocker, end - 1)));
  panel.append(actions);
}

/** Unfolds the pool that hides a lane. */
function reveal(self, lane) {
  const pool = self.rows.find((row) => row.pool?.lanes.includes(lane))?.pool;
  if (!pool || self.rows.some((row) => row.lane === lane)) return;
  self.open.add(pool.name);
  arrange(self);
}

/** Keeps a thread above the others, or lets it go again. */
export function keepOnTop(self, lane) {
  if (self.onTop.has(lane)) self.onTop.delete(lane); else self.onTop.add(lane);
  arrange(self);
}

/** Forgets the pinned interval. */
export function unpin(self) {
  self.pin = null;
  self.element('pinned').replaceChildren();
  for (const label of self.element('lane-labels').children) label.classList.remove('pinned-lane');
  redraw(self);
}

/** Pins the next interval (or previous, -1) of the pinned thread; without a pin, the first in view. */
export function step(self, direction) {
  if (!self.pin) {
    const lane = self.shown.find((one) => laneEnd(self.world.store, one) > self.view.from && laneStart(self.world.store, one) < self.view.to);
    if (lane !== undefined) pin(self, lane, intervalAt(self.world.store, lane, self.view.from));
    return;
  }
  pin(self, self.pin.lane, self.pin.interval + direction);
}

/** Pins the next (or previous, -1) interval that the search found; where it found threads by their names alone, the next thread. */
export function stepMatch(self, direction) {
  const { found, shown, view } = self;
  const { store } = self.world;
  if (!found || !shown.length) return;
  if (!found.count) {
    const at = self.pin ? shown.indexOf(self.pin.lane) : -1;
    const lane = shown.at(at < 0 && direction < 0 ? -1 : (at + direction) % shown.length);
    pin(self, lane, intervalAt(store, lane, view.from));
    return;
  }
  const pinned = self.pin && { time: store.bounds[self.pin.interval + self.pin.lane], lane: self.pin.lane };
  const inView = pinned && pinned.time < view.to && store.bounds[self.pin.interval + self.pin.lane + 1] > view.from;
  const next = nextMatch(store, found, inView ? pinned : edgeOf(store, found, view, direction), direction);
  pin(self, next.lane, next.interval);
}

/** Pins what the thread above or below did at the pinned instant. */
export function stepLane(self, direction) {
  if (!self.pin) return step(self, 1);
  const { lane, interval } = self.pin;
  const time = (self.world.store.bounds[interval + lane] + self.world.store.bounds[interval + lane + 1]) / 2;
  const lanes = self.rows.map((row) => row.lane).filter((one) => one >= 0);
  const next = lanes[lanes.indexOf(lane) + direction];
  if (next !== undefined) pin(self, next, intervalAt(self.world.store, next, time));
  return undefined;
}

/**
 * What lies under a point of the canvas; null beside a thread's life. `lane` is -1 for a pool.
 * @returns {{lane: number, pool: object | null, time: number, interval: number, alone: boolean} | null}
 */
export function under(self, x, y) {
  const row = self.rows[Math.floor((y + self.scroll.scrollTop) / self.row.height)];
  const pxNs = (self.view.to - self.view.from) / self.width;
  const time = self.view.from + x * pxNs;
  if (!row) return null;
  const { lane, pool } = row;
  if (pool) return { lane, pool, time, interval: -1, alone: false };
  const { store } = self.world;
  if (time < laneStart(store, lane) || time > laneEnd(store, lane)) return null;
  const interval = intervalAt(store, lane, time);
  const width = (store.bounds[interval + lane + 1] - store.bounds[interval + lane]) / pxNs;
  return { lane, pool: null, time, interval, alone: width >= 2 || hasRoom(store, lane, self.view, self.width) };
}

/** The words for a point of the canvas, or null. */
export function wordsUnder(self, x, y) {
  const found = under(self, x, y);
  if (!found) return null;
  const { config, store, sums } = self.world;
  if (found.alone) return intervalWords(config, store, found.lane, found.interval);
  const pxNs = (self.view.to - self.view.from) / self.width;
  if (found.pool) {
    const title = `${found.pool.name}, ${formatCount(found.pool.lanes.length)} threads`;
    return cellWords(config, store, sums, { title, lanes: found.pool.lanes, from: found.time - 2 * pxNs, to: found.time + 2 * pxNs });
  }
  const from = Math.max(found.time - pxNs, laneStart(store, found.lane));
  const to = Math.min(from + 2 * pxNs, laneEnd(store, found.lane));
  return cellWords(config, store, sums, { title: self.names[found.lane], lanes: [found.lane], from, to });
}
