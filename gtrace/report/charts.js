// Figures for plotly, as data. Pure functions; names become labels here and are escaped here.

import { STATES, SUMS, addLaneCells } from './aggregate.js';
import { elide, formatCount, formatDuration, formatPercent, plotlyText } from './format.js';
import { foldRows, nativePools, poolsOf } from './groups.js';

/** The most bars in a chart. */
const BARS = 40;
const SLICES = 240;
/** Of the title of an axis: the width of a character, mostly, and the height of a line, px. */
const TITLE_CHARACTER = 7.4;
const TITLE_LINE = 19;
/** What a decade of an axis needs to be named, px. */
const DECADE_ROOM = 52;
const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';

/**
 * @typedef {{ink: string, muted: string, rule: string, page: string, states: string[]}} Theme colours in use
 */

/** What every figure has in common. @param {Theme} theme @param {object} extra @returns {object} */
export function baseLayout(theme, extra) {
  return {
    paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', showlegend: false,
    font: { family: FONT, size: 12, color: theme.muted },
    hoverlabel: { bgcolor: theme.page, bordercolor: theme.rule, font: { family: FONT, size: 12, color: theme.ink }, align: 'left' },
    ...extra,
  };
}

/** @typedef {{label: string, totals: Float64Array, threads: number}} Bar */

/**
 * One bar a thread, or a pool that is always folded; where they are too many, one a pool, and one for what is still left.
 * @param {string[]} names
 * @param {Float64Array[]} totals
 * @param {number[]} order
 * @param {import('./groups.js').Pool[]} folded
 * @returns {Bar[]}
 */
export function barsOf(names, totals, order, folded = []) {
  const alive = order.filter((lane) => totals[lane].some((ns) => ns > 0));
  const barOf = (lane) => ({ label: names[lane], totals: totals[lane], threads: 1 });
  const inside = new Set(folded.flatMap((pool) => pool.lanes));
  const free = alive.filter((lane) => !inside.has(lane));
  const pools = free.length + folded.length <= BARS ? folded : [...folded, ...poolsOf(free, names)];
  const rows = foldRows(alive, pools, new Set());
  const poolBar = (pool) => sumBar(`${pool.name} (${formatCount(pool.lanes.length)})`, pool.lanes.map((one) => totals[one]));
  const bars = rows.map(({ lane, pool }) => (pool ? poolBar(pool) : barOf(lane)));
  if (bars.length <= BARS) return bars;
  const most = [...bars].sort((a, b) => sumStates(b.totals) - sumStates(a.totals));
  const rest = most.slice(BARS - 1);
  const count = rest.reduce((sum, bar) => sum + bar.threads, 0);
  return [...most.slice(0, BARS - 1), { ...sumBar(`${formatCount(count)} more threads`, rest.map((bar) => bar.totals)), threads: count }];
}

function barText(bar, state, s) {
  const share = formatPercent(bar.totals[s] / (sumStates(bar.totals) || 1));
  return `<b>${plotlyText(elide(bar.label, 60))}</b><br>${plotlyText(state.label)}: ${formatDuration(bar.totals[s])} (${share})`;
}

/** What axes have in common. */
function axisOf(theme, extra) { return { gridcolor: theme.rule, zeroline: false, fixedrange: true, ...extra }; }

function axisTitle(text) { return { text, standoff: 6 }; }

/** The lines of an axis title in so much room, px. */
function titleLines(text, room) { return text.length * TITLE_CHARACTER > room ? text.split(/(?<=,) /) : [text]; }

function sumBar(label, all) {
  const totals = new Float64Array(SUMS);
  for (const one of all) for (let s = 0; s < SUMS; s += 1) totals[s] += one[s];
  return { label, totals, threads: all.length };
}

/**
 * Time in each state, one bar a thread or pool.
 * @param {object} config
 * @param {Float64Array[]} totals
 * @param {{order: number[], hidden: Set<number>, left: number, width: number}} options `left` is the room for labels, of a width, px
 * @param {Theme} theme
 * @returns {{data: object[], layout: object}}
 */
export function stateFigure(config, totals, options, theme) {
  const names = config.threads.map((thread) => thread.name);
  const bars = barsOf(names, totals, options.order, nativePools(options.order, config.threads));
  const y = bars.map((_, i) => i);
  const limit = Math.floor(options.left / 7.4);
  const longest = Math.max(...bars.map((bar) => sumStates(bar.totals)), 1);
  const scale = unitOf(longest);
  const words = bars.some((bar) => bar.threads > 1) ? `${scale.name}, summed over the threads of a bar` : scale.name;
  const title = titleLines(words, options.width - options.left);
  const foot = 38 + (title.length - 1) * TITLE_LINE;
  const data = config.states.map((state, s) => ({
    type: 'bar', orientation: 'h', name: plotlyText(state.label), y, x: bars.map((bar) => bar.totals[s] / scale.ns),
    visible: !options.hidden.has(s), hoverinfo: 'text', textposition: 'none',
    marker: { color: theme.states[s], line: { width: 0 }, pattern: stripes(state, theme, s) },
    hovertext: bars.map((bar) => barText(bar, state, s)),
  })).filter((trace) => trace.x.some((value) => value > 0));
  return {
    data,
    layout: baseLayout(theme, {
      barmode: 'stack', bargap: bars.length > 12 ? 0.2 : 0.3, height: Math.max(52, bars.length * (bars.length > 12 ? 20 : 28) + 8) + foot,
      margin: { l: options.left, r: 1, t: 4, b: foot },
      xaxis: axisOf(theme, { title: axisTitle(title.join('<br>')), range: [0, longest / scale.ns], nticks: 8 }),
      yaxis: axisOf(theme, { showticklabels: false, range: [bars.length - 0.5, -0.5], showgrid: false }),
      annotations: bars.map((bar, i) => leftLabel(elide(bar.label, limit), i, options.left, theme)),
    }),
  };
}

function stripes(state, theme, s) {
  return state.striped ? { shape: '/', size: 5, solidity: 0.2, bgcolor: theme.states[s], fgcolor: theme.muted, fillmode: 'replace' } : undefined;
}

/** A label at the left edge, where the timeline has its labels too. */
function leftLabel(text, y, left, theme) {
  return {
    xref: 'paper', x: 0, xshift: -left - 2, xanchor: 'left', y, yanchor: 'middle', showarrow: false,
    text: plotlyText(text), font: { size: 13, color: theme.ink },
  };
}

/** @param {Float64Array} totals @returns {number} ns in all states */
export function sumStates(totals) {
  let sum = 0;
  for (let s = 0; s < STATES; s += 1) sum += totals[s];
  return sum;
}

function unitOf(ns) {
  if (ns >= 1e9) return { ns: 1e9, name: 'seconds' };
  if (ns >= 1e6) return { ns: 1e6, name: 'milliseconds' };
  return { ns: 1e3, name: 'microseconds' };
}

/**
 * Time in each state summed over all lanes, in equal slices of a range.
 * @param {import('./store.js').Store} store
 * @param {import('./aggregate.js').Sums} sums
 * @param {import('./view.js').Range} range
 * @param {number} slices
 * @returns {Float64Array} slices × SUMS, ns
 */
export function slicesOf(store, sums, range, slices) {
  const all = new Float64Array(slices * SUMS);
  for (let lane = 0; lane < store.lanes; lane += 1) addLaneCells(store, sums, lane, { ...range, cells: slices }, all);
  return all;
}

/**
 * Threads in each state over time.
 * @param {object} config
 * @param {Float64Array} slices
 * @param {{range: import('./view.js').Range, hidden: Set<number>, left: number}} options
 * @param {Theme} theme
 * @returns {{data: object[], layout: object}}
 */
export function utilisationFigure(config, slices, options, theme) {
  const count = slices.length / SUMS;
  const width = (options.range.to - options.range.from) / count;
  const scale = unitOf(options.range.to);
  const x = Array.from({ length: count }, (_, i) => (options.range.from + (i + 0.5) * width) / scale.ns);
  const data = config.states.map((state, s) => ({
    type: 'scatter', mode: 'lines', stackgroup: 'states', fillpattern: stripes(state, theme, s),
    name: plotlyText(state.label), x, line: { width: 0, shape: 'hvh' },
    fillcolor: theme.states[s], visible: !options.hidden.has(s), y: x.map((_, i) => slices[i * SUMS + s] / width),
    hovertemplate: `${plotlyText(state.label)}: %{y:.2f}<extra></extra>`,
  })).filter((trace) => trace.y.some((value) => value > 0));
  return {
    data,
    layout: baseLayout(theme, {
      height: 240, margin: { l: options.left, r: 1, t: 8, b: 40 }, hovermode: 'x unified',
      xaxis: axisOf(theme, {
        title: axisTitle(`${scale.name} since the start`), hoverformat: '.4f', range: [options.range.from / scale.ns, options.range.to / scale.ns],
      }),
      yaxis: axisOf(theme, { rangemode: 'tozero', nticks: 6 }),
      annotations: [{ ...leftLabel('threads', 0.5, options.left, theme), yref: 'paper' }],
      shapes: [{ type: 'line', xref: 'paper', x0: 0, x1: 1, y0: config.cores, y1: config.cores, line: { color: theme.ink, width: 1, dash: 'dash' } }],
    }),
  };
}

export { SLICES };

/**
 * How long the GIL was held at a time: counts in bins that grow by a constant factor.
 * @param {Float64Array} lengths ns
 * @param {{switchInterval: number, left: number, width: number}} options
 * @param {Theme} theme
 * @returns {{data: object[], layout: object}}
 */
export function holdFigure(lengths, options, theme) {
  const { switchInterval, left } = options;
  const bins = logBins(lengths, 4);
  const decades = decadesFor(bins, options.width - left);
  return {
    data: [{
      type: 'bar', y: bins.map((bin) => bin.count),
      x: bins.map((bin) => (Math.log10(bin.from) + Math.log10(bin.to)) / 2),
      width: bins.map((bin) => (Math.log10(bin.to) - Math.log10(bin.from)) * 0.92),
      marker: { color: theme.states[0] }, hoverinfo: 'text', textposition: 'none',
      hovertext: bins.map((bin) => `${bin.count} holds of ${formatDuration(bin.from)} to ${formatDuration(bin.to)}`),
    }],
    layout: baseLayout(theme, {
      height: 200, margin: { l: left, r: 1, t: 22, b: 40 }, bargap: 0,
      xaxis: axisOf(theme, { title: axisTitle('length of a hold'), showgrid: false, tickangle: 0, tickvals: decades, ticktext: decades.map(decadeText) }),
      yaxis: axisOf(theme, { nticks: 5 }),
      ...switchMark(switchInterval, theme, { ...leftLabel('holds', 0.5, left, theme), yref: 'paper' }),
    }),
  };
}

/** Powers of ten of a nanosecond that an axis names. */
const DECADES = [2, 3, 4, 5, 6, 7, 8, 9, 10];

/** Those of the powers that are named along bins of so much room, px: every second or third where that is little. */
export function decadesFor(bins, room) {
  const decade = room / Math.log10(bins.at(-1).to / bins[0].from);
  const step = [1, 2].find((one) => one * decade >= DECADE_ROOM) ?? 3;
  return DECADES.filter((power) => power % step === 0);
}

function decadeText(power) {
  const unit = ['ns', 'µs', 'ms', 's'][Math.floor(power / 3)];
  return `${10 ** (power % 3)} ${unit}`;
}

/** A line and a label at the switch interval, beside a label of the chart. */
function switchMark(switchInterval, theme, label) {
  if (!(switchInterval > 0)) return { shapes: [], annotations: [label] };
  const x = Math.log10(switchInterval);
  const text = `switch interval ${formatDuration(switchInterval)}`;
  return {
    shapes: [{ type: 'line', yref: 'paper', y0: 0, y1: 1, x0: x, x1: x, line: { color: theme.ink, width: 1, dash: 'dash' } }],
    annotations: [label, { x, y: 1, yref: 'paper', yanchor: 'bottom', showarrow: false, text, font: { size: 11, color: theme.muted } }],
  };
}

/**
 * @param {Float64Array} lengths
 * @param {number} perDecade
 * @returns {{from: number, to: number, count: number}[]}
 */
export function logBins(lengths, perDecade) {
  const counts = new Map();
  for (const ns of lengths) {
    const bin = Math.floor(Math.log10(Math.max(ns, 1)) * perDecade + 1e-9);
    counts.set(bin, (counts.get(bin) ?? 0) + 1);
  }
  return [...counts].sort(([a], [b]) => a - b).map(([bin, count]) => ({ from: 10 ** (bin / perDecade), to: 10 ** ((bin + 1) / perDecade), count }));
}
