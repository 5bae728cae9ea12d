// Wires the page: data, timeline, charts, tables, legend, theme and address.

import { GIL_WAIT, LOCK_WAIT, SUMS, buildSums, kindTotals, laneTotals } from './aggregate.js';
import { SLICES, holdFigure, slicesOf, stateFigure, sumStates, utilisationFigure } from './charts.js';
import { formatCount, formatDuration, formatInstant, formatPercent, significant } from './format.js';
import { blameWithin, waitingOf } from './blame.js';
import { connectGestures, toggleHelp } from './gestures.js';
import { heldIntervals, heldSums, holdsWithin } from './gil.js';
import { decodeStore, intervalAt } from './store.js';
import { blameRows, holdRows, longestOf, standingRows, threadRows, waitRows, wakeupRows } from './tables.js';
import { folding } from './lanes.js';
import { lockRows } from './locks.js';
import { tableOptions } from './tableoptions.js';
import { createTable, make, setRows } from './tableview.js';
import { connectButtons, show } from './navigate.js';
import { connectTheme, themeNow } from './theme.js';
import { arrange, createTimeline, pin, redraw, select, showChosen, useHeld, useTheme, wholeOf } from './timeline.js';
import { formatHash, parseHash, sameRange } from './view.js';
import { loadPlotly } from './unpack.js';
import { latenciesWithin } from './wakeups.js';

const LONGEST_HOLDS = 50;
const byId = (id) => document.getElementById(id);

async function start() {
  const config = JSON.parse(byId('config').textContent);
  const store = await decodeStore(config.columns, byId('blob').textContent);
  const world = { config, store, sums: buildSums(store) };
  const page = { world, selection: null, hidden: new Set(), plotly: null, whole: wholeOf(config) };
  page.totals = config.threads.map((_, lane) => laneTotals(store, world.sums, lane, page.whole.from, page.whole.to));
  page.timeline = createTimeline(world, { onSelect: (range) => chooseRange(page, range), onMove: () => writeHash(page) });
  page.tables = createTables(page);
  buildLegend(page);
  useTheme(page.timeline, themeNow());
  connectGestures(page.timeline);
  connectControls(page);
  connectTheme(byId('theme'), () => retheme(page));
  readHash(page);
  new ResizeObserver(() => redraw(page.timeline)).observe(page.timeline.body);
  requestAnimationFrame(() => setTimeout(() => { tellReady('timeline'); finish(page); }, 0));
}

/** All that can wait until something is on the screen. */
async function finish(page) {
  recount(page);
  await pause();
  const { config, store } = page.world;
  const held = config.freeThreaded ? null : heldIntervals(store);
  if (held) held.sums = heldSums(store, held);
  useHeld(page.timeline, held);
  await pause();
  page.waiting = held && waitingOf(store, page.timeline.names);
  page.held = held;
  recountGil(page);
  writeNumbers(page, page.selection ?? page.whole);
  tellReady('tables');
  await documentParsed();
  page.plotly = await loadPlotly(byId('plotly').textContent);
  drawCharts(page);
  let width = window.innerWidth;
  window.addEventListener('resize', () => {
    if (window.innerWidth !== width) { width = window.innerWidth; drawCharts(page); }
  });
  tellReady('charts');
}

/** Says how far the page is, to style sheets, tests and the browser's own performance tools. */
function tellReady(what) {
  document.documentElement.dataset.ready = what;
  performance.mark(`gtrace-${what}`);
}

/** Lets the browser paint and answer before the next piece of work. */
function pause() { return new Promise((resolve) => { setTimeout(resolve, 0); }); }

function documentParsed() {
  if (document.readyState !== 'loading') return Promise.resolve();
  return new Promise((resolve) => { document.addEventListener('DOMContentLoaded', resolve, { once: true }); });
}

// ---- tables -------------------------------------------------------------------------------------

function createTables(page) {
  const { config } = page.world;
  const seen = config.states.filter((_, s) => page.totals.some((totals) => totals[s] > 0));
  const tables = {};
  for (const [name, options] of Object.entries(tableOptions(config, seen))) {
    tables[name] = createTable(byId(`table-${name}`), { ...options, file: `${config.title}-${name}`, onRow: (row) => lookAt(page, row) });
  }
  setRows(tables.standing, standingRows(config));
  byId('table-standing').hidden = !config.standing.length;
  const mark = make('span', 'of-whole', 'whole run');
  mark.hidden = true;
  byId('table-standing-title').append(' ', mark);
  const chart = make('div', 'chart');
  chart.id = 'hold-chart';
  byId('table-holds').append(chart);
  return tables;
}

/** Brings a row's thread, and its instant where it has one, into the timeline's view. */
function lookAt(page, row) {
  const { timeline, world } = page;
  if (!timeline.shown.includes(row.lane)) { byId('search').value = ''; timeline.search = ''; arrange(timeline); }
  const at = row.at ?? Math.max(timeline.view.from, world.config.threads[row.lane].start);
  pin(timeline, row.lane, intervalAt(world.store, row.lane, at));
  byId('timeline').scrollIntoView({ block: 'nearest' });
}

// ---- numbers for a range ------------------------------------------------------------------------

function chooseRange(page, range) {
  page.selection = range;
  recount(page);
  setTimeout(() => { if (page.plotly) drawCharts(page); }, 0);
  writeHash(page);
}

function recount(page) {
  const { config, store, sums } = page.world;
  const range = page.selection ?? page.whole;
  const states = config.states.map((state) => state.id);
  const names = config.threads.map((thread) => thread.name);
  page.totals = config.threads.map((_, lane) => laneTotals(store, sums, lane, range.from, range.to));
  const waits = states.map((id, s) => [id, s]).filter(([id]) => !['running', 'native', 'unknown'].includes(id)).map(([, s]) => s);
  setRows(page.tables.threads, threadRows(config.threads, page.totals, states, range));
  const kinds = kindTotals(store, range.from, range.to);
  setRows(page.tables.waits, waitRows(store, kinds, { names, states, waits }));
  page.longestWait = longestOf(store, kinds, GIL_WAIT);
  setRows(page.tables.locks, lockRows(store, range, names));
  byId('table-locks').hidden = !store.kinds.state.includes(LOCK_WAIT);
  setRows(page.tables.wakeups, wakeupRows(latenciesWithin(store.wakeups, range, config.causes.length), { causes: config.causes, names }));
  byId('table-wakeups').hidden = store.wakeups.time.length === 0;
  recountGil(page);
  writeLegend(page);
  writeNumbers(page, range);
  writeRangeBar(page);
}

function recountGil(page) {
  const { config, store } = page.world;
  const range = page.selection ?? page.whole;
  const known = Boolean(page.held && page.held.start.length);
  byId('table-blame').hidden = !known;
  byId('table-holds').hidden = !known;
  if (!known) return;
  const names = config.threads.map((thread) => thread.name);
  page.holds = holdsWithin(page.held, range.from, range.to, LONGEST_HOLDS);
  setRows(page.tables.blame, blameRows(blameWithin(store, page.held, page.waiting, range, names), store.functions));
  setRows(page.tables.holds, holdRows(page.holds, store, { names, switchInterval: config.switchInterval }));
}

/** Headline numbers of the selection; without one, those the page came with. */
function writeNumbers(page, range) {
  const boxes = [...document.querySelectorAll('[data-number]')];
  const textOf = (box, name) => box.querySelector(name).textContent;
  page.original ??= new Map(boxes.map((box) => [box.dataset.number, [textOf(box, '.value'), textOf(box, '.note')]]));
  const wall = range.to - range.from;
  const all = page.totals.reduce((sum, totals) => sum.map((ns, s) => ns + totals[s]), new Float64Array(SUMS));
  const values = {
    wall: [formatDuration(wall), 'selected'],
    cores: [significant((all[0] + all[1]) / wall), `of ${page.world.config.cores}, on average`],
  };
  if (page.holds) {
    values.held = [formatPercent(page.holds.held / wall), 'of the selected time'];
    values.wait = [formatPercent(all[GIL_WAIT] / (sumStates(all) || 1)), `${formatDuration(all[GIL_WAIT])}, all threads`];
    values.handoffs = [`${formatCount(page.holds.handoffs / (wall / 1e9))}/s`, `${formatCount(page.holds.handoffs)} in the selection`];
    const longest = page.holds.longest[0];
    values.hold = longest ? [formatDuration(longest.ns), page.world.config.threads[longest.lane].name] : ['0', 'nobody held it'];
    const wait = page.longestWait;
    values.longest = wait.ns ? [formatDuration(wait.ns), page.world.config.threads[wait.lane].name] : ['0', 'nobody waited'];
  }
  for (const box of boxes) {
    if (box.classList.contains('not-known')) continue;
    const selected = page.selection && values[box.dataset.number];
    const [value, said] = selected || page.original.get(box.dataset.number);
    const note = page.selection && !selected ? `${said}, whole run` : said;
    box.querySelector('.value').textContent = value;
    box.querySelector('.note').textContent = note;
    box.querySelector('.note').title = note;
  }
}

function writeRangeBar(page) {
  const bar = byId('range-bar');
  bar.hidden = !page.selection;
  for (const mark of document.querySelectorAll('main .of-whole')) mark.hidden = !page.selection;
  if (!page.selection) return;
  const { from, to } = page.selection;
  const instant = (time) => formatInstant(time, (to - from) / 10);
  const length = `${formatDuration(to - from)} of ${formatDuration(page.whole.to - page.whole.from)}`;
  byId('range-text').textContent = `Selected ${instant(from)} to ${instant(to)}: ${length}.`;
}

// ---- charts -------------------------------------------------------------------------------------

function drawCharts(page) {
  const { config, store, sums } = page.world;
  const { name, tokens } = themeNow();
  const theme = { ...tokens, states: config.states.map((state) => state[name]) };
  const range = page.selection ?? page.whole;
  const draw = (id, figure) => {
    byId(id).style.height = `${figure.layout.height}px`;
    page.plotly.react(id, figure.data, figure.layout, { displayModeBar: false, responsive: true });
  };
  const left = parseFloat(getComputedStyle(document.documentElement).getPropertyValue('--label-width'));
  const width = byId('state-chart').clientWidth;
  draw('state-chart', stateFigure(config, page.totals, { order: page.timeline.order, hidden: page.hidden, left, width }, theme));
  const slices = slicesOf(store, sums, range, SLICES);
  draw('utilisation-chart', utilisationFigure(config, slices, { range, hidden: page.hidden, left }, theme));
  byId('hold-chart').hidden = !page.holds?.count;
  if (!page.holds?.count) return;
  draw('hold-chart', holdFigure(page.holds.lengths, { switchInterval: config.switchInterval, left, width }, theme));
}

// ---- legend -------------------------------------------------------------------------------------

function buildLegend(page) {
  const { states } = page.world.config;
  byId('legend').replaceChildren(...states.map((state, s) => {
    const item = make('li');
    const button = make('button', 'state');
    button.type = 'button';
    button.dataset.state = state.id;
    button.title = state.meaning;
    button.setAttribute('aria-pressed', 'true');
    button.append(make('span', `swatch ${state.id}`), make('span', 'state-name', state.label), make('span', 'state-total'));
    button.addEventListener('click', (event) => (event.shiftKey ? isolateState(page, s) : toggleState(page, s)));
    button.addEventListener('dblclick', () => isolateState(page, s));
    item.append(button);
    return item;
  }));
}

function toggleState(page, s) {
  if (page.hidden.has(s)) page.hidden.delete(s); else page.hidden.add(s);
  applyHidden(page);
}

/** Only this state; where it was the only one already, all again. */
function isolateState(page, s) {
  const others = [...page.world.config.states.keys()].filter((one) => one !== s);
  const alone = page.isolated === s;
  page.hidden = new Set(alone ? [] : others);
  page.isolated = alone ? null : s;
  applyHidden(page);
}

function applyHidden(page) {
  page.timeline.hidden = page.hidden;
  byId('legend').querySelectorAll('button').forEach((button, s) => button.setAttribute('aria-pressed', String(!page.hidden.has(s))));
  redraw(page.timeline);
  if (page.plotly) drawCharts(page);
  writeHash(page);
}

function writeLegend(page) {
  const all = page.totals.reduce((sum, totals) => sum.map((ns, s) => ns + totals[s]), new Float64Array(SUMS));
  const sum = sumStates(all) || 1;
  byId('legend').querySelectorAll('button').forEach((button, s) => {
    button.querySelector('.state-total').textContent = all[s] ? `${formatDuration(all[s])}, ${formatPercent(all[s] / sum)}` : 'none';
    button.classList.toggle('none', !all[s]);
  });
}

// ---- controls, theme, address -------------------------------------------------------------------

function connectControls(page) {
  const { timeline } = page;
  const on = (id, action) => byId(id).addEventListener('click', action);
  connectButtons(timeline, byId);
  on('help-button', () => toggleHelp(timeline));
  on('range-fit', () => showChosen(timeline));
  on('range-clear', () => select(timeline, null));
  const fold = byId('fold');
  const { can, begin } = folding(timeline.shown.filter((lane) => !page.world.config.threads[lane].native), timeline.names);
  const setFold = (value) => {
    timeline.fold = value;
    fold.setAttribute('aria-pressed', String(value));
    arrange(timeline);
  };
  fold.hidden = !can;
  if (begin) setFold(true);
  fold.addEventListener('click', () => setFold(!timeline.fold));
  byId('lane-sort').addEventListener('change', (event) => {
    timeline.sort = event.target.value;
    arrange(timeline);
    if (page.plotly) drawCharts(page);
  });
  byId('search').addEventListener('input', (event) => {
    timeline.search = event.target.value;
    arrange(timeline);
    writeHash(page);
  });
}

/** Draws everything again in the colours of the theme. */
function retheme(page) {
  useTheme(page.timeline, themeNow());
  if (page.plotly) drawCharts(page);
}

function writeHash(page) {
  clearTimeout(page.hashTimer);
  page.hashTimer = setTimeout(() => {
    const { timeline, whole } = page;
    const zoomed = !sameRange(timeline.view, whole);
    const hash = formatHash({
      view: zoomed ? timeline.view : null, selection: page.selection,
      hidden: [...page.hidden].map((s) => page.world.config.states[s].id), lane: timeline.search,
    });
    try {
      history.replaceState(null, '', hash || location.pathname + location.search);
    } catch { /* inside another page, as in a notebook, the address is not ours to change */ }
  }, 150);
}

function readHash(page) {
  const place = parseHash(location.hash);
  const { states } = page.world.config;
  place.hidden.forEach((id) => { const s = states.findIndex((state) => state.id === id); if (s >= 0) page.hidden.add(s); });
  if (page.hidden.size) applyHidden(page);
  if (place.lane) { byId('search').value = place.lane; page.timeline.search = place.lane; arrange(page.timeline); }
  if (place.view) show(page.timeline, place.view, false);
  if (place.selection) { page.timeline.selection = place.selection; page.selection = place.selection; }
}

start();
