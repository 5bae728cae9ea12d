// The lab's charts as figures for plotly. Pure functions; names become labels here and are escaped here.

import { formatCount, plotlyText } from './format.js';

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif';
const HEIGHT = 300;
/** An axis names each value, where there are no more than these. */
const FEW_VALUES = 6;
const FEW_DECADES = 2.2;
const MANY_SERIES = 3;
/** Shapes of plotly's markers, and the same as paths of an SVG of 12 by 12. */
export const SHAPES = [
  ['circle', 'M6 2a4 4 0 1 0 .01 0z'], ['square', 'M2.5 2.5h7v7h-7z'], ['diamond', 'M6 1l5 5-5 5-5-5z'],
  ['triangle-up', 'M6 1.5l5 8.5H1z'], ['triangle-down', 'M6 10.5l5-8.5H1z'],
  ['cross', 'M4.5 1h3v3.5h3.5v3h-3.5v3.5h-3v-3.5H1v-3h3.5z'], ['star', 'M6 .5l1.6 3.7 4 .3-3 2.6.9 3.9L6 9l-3.5 2 .9-3.9-3-2.6 4-.3z'],
];

/**
 * @typedef {[number, number, number, number]} Point x, median, least, greatest
 * @typedef {{series: number, points: Point[]}} Line
 * @typedef {{title: string, lines: Line[]}} Panel
 * @typedef {{title: string, x: string, y: string, log: string, series: string[], panels: Panel[]}} Chart
 * @typedef {{ink: string, muted: string, rule: string, page: string, series: string[]}} Theme
 */

/** What can be drawn on the chart's axes. @param {Chart} chart @param {Point[]} points @returns {Point[]} */
export function drawable(chart, points) {
  const fits = ([x, y]) => (!chart.log.includes('x') || x > 0) && (!chart.log.includes('y') || y > 0);
  const least = ([x, y, low, high]) => [x, y, chart.log.includes('y') && low <= 0 ? y : low, high];
  return points.filter(fits).map(least).sort((a, b) => a[0] - b[0]);
}

/** The least and greatest of a coordinate over all panels, so that they can be compared. */
function reach(chart, pick) {
  const all = chart.panels.flatMap((panel) => panel.lines.flatMap((line) => drawable(chart, line.points).flatMap(pick)));
  return all.length ? [Math.min(...all), Math.max(...all)] : [0, 1];
}

/**
 * The range of an axis with some air; on a logarithmic one its powers of ten, else from zero up.
 * @param {number[]} ends
 * @param {boolean} log
 * @param {boolean} fromZero
 * @returns {number[]}
 */
export function axisRange(ends, log, fromZero) {
  let [low, high] = ends;
  if (log) [low, high] = [Math.log10(low), Math.log10(high)];
  else if (fromZero && low > 0) low = 0;
  const air = (high - low) * 0.06 || Math.abs(high) * 0.1 || 1;
  return [fromZero && !log && low === 0 ? 0 : low - air, high + air];
}

function axis(chart, theme, name, fromZero) {
  const log = chart.log.includes(name);
  const pick = name === 'x' ? ([x]) => [x] : ([, y, low, high]) => [y, low, high];
  const values = name === 'x' ? valuesOf(chart) : [];
  const named = values.length > 1 && values.length <= FEW_VALUES ? { tickvals: values, ticktext: values.map(short) } : {};
  return {
    type: log ? 'log' : 'linear', range: axisRange(reach(chart, pick), log, fromZero), ...(name === 'x' ? { title: { text: plotlyText(chart.x), standoff: 8 } } : {}),
    gridcolor: theme.rule, linecolor: theme.rule, zeroline: false, fixedrange: true, automargin: true,
    ...(log ? logTicks(axisRange(reach(chart, pick), true, false)) : { nticks: 7 }), ...named,
  };
}

/**
 * Powers of ten; where there are few, twice and five times each as well.
 * @param {number[]} range powers of ten
 * @returns {{tickvals: number[], ticktext: string[]}}
 */
export function logTicks([low, high]) {
  const factors = high - low < FEW_DECADES ? [1, 2, 5] : [1];
  const tickvals = [];
  for (let power = Math.floor(low); power <= high; power += 1) tickvals.push(...factors.map((factor) => Number(`${factor}e${power}`)));
  return { tickvals, ticktext: tickvals.map((value) => (value >= 1000 ? formatCount(value) : short(value))) };
}

function valuesOf(chart) {
  const all = chart.panels.flatMap((panel) => panel.lines.flatMap((line) => drawable(chart, line.points).map(([x]) => x)));
  return [...new Set(all)].sort((a, b) => a - b);
}

/** @param {number} value @returns {string} */
function short(value) { return String(Number(value.toPrecision(3))); }

function hoverText(chart, series, [x, y, low, high]) {
  const spread = low === high ? '' : ` (${short(low)} to ${short(high)})`;
  return `<b>${plotlyText(chart.series[series])}</b><br>${plotlyText(chart.x)}: ${short(x)}<br>${plotlyText(chart.y)}: ${short(y)}${spread}`;
}

/** The spread of a line as an area, and the line of the medians above it. */
function traces(chart, line, theme) {
  const points = drawable(chart, line.points);
  const colour = theme.series[line.series % theme.series.length];
  const x = points.map((point) => point[0]);
  const edge = { x, mode: 'lines', line: { width: 0 }, hoverinfo: 'skip', type: 'scatter' };
  return [
    { ...edge, y: points.map((point) => point[2]) },
    { ...edge, y: points.map((point) => point[3]), fill: 'tonexty', fillcolor: colour + (chart.series.length > MANY_SERIES ? '14' : '2e') },
    {
      type: 'scatter', mode: 'lines+markers', x, y: points.map((point) => point[1]), hoverinfo: 'text',
      hovertext: points.map((point) => hoverText(chart, line.series, point)),
      line: { color: colour, width: 2 }, marker: { color: colour, size: 7, symbol: SHAPES[line.series % SHAPES.length][0] },
    },
  ];
}

/**
 * One panel of a chart; all panels of a chart have the same axes.
 * @param {Chart} chart
 * @param {Panel} panel
 * @param {Theme} theme
 * @returns {{data: object[], layout: object}}
 */
export function panelFigure(chart, panel, theme) {
  const lines = panel.lines.map((line) => traces(chart, line, theme));
  const fromZero = !chart.log.includes('y');
  return {
    data: [...lines.flatMap((three) => three.slice(0, 2)), ...lines.map((three) => three[2])],
    layout: {
      paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)', showlegend: false, hovermode: 'closest', height: HEIGHT,
      font: { family: FONT, size: 12, color: theme.muted }, margin: { l: 56, r: 8, t: 28, b: 44 },
      annotations: [{
        xref: 'paper', x: 0, xanchor: 'left', xshift: -40, yref: 'paper', y: 1, yanchor: 'bottom', yshift: 6,
        showarrow: false, text: plotlyText(chart.y), font: { size: 12, color: theme.muted },
      }],
      hoverlabel: { bgcolor: theme.page, bordercolor: theme.rule, font: { family: FONT, size: 12, color: theme.ink }, align: 'left' },
      xaxis: axis(chart, theme, 'x', false), yaxis: axis(chart, theme, 'y', fromZero),
    },
  };
}
