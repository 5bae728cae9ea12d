// Wires the page of the lab: claims that open, their charts and tables, theme and address.

import { SHAPES, panelFigure } from './labchart.js';
import { connectGrid } from './labtable.js';
import { connectTheme, themeNow } from './theme.js';
import { loadPlotly } from './unpack.js';

const SVG = 'http://www.w3.org/2000/svg';
const byId = (id) => document.getElementById(id);
const claims = () => [...document.querySelectorAll('.claim')];

function start() {
  const page = { config: JSON.parse(byId('config').textContent), plotly: null };
  document.querySelectorAll('.grid-section').forEach(connectGrid);
  claims().forEach((claim) => claim.addEventListener('toggle', () => drawClaim(page, claim)));
  byId('open-all')?.addEventListener('click', () => claims().forEach((claim) => { claim.open = true; }));
  byId('close-all')?.addEventListener('click', () => claims().forEach((claim) => { claim.open = false; }));
  connectTheme(byId('theme'), () => drawOpen(page));
  window.addEventListener('hashchange', openTarget);
  document.addEventListener('click', (event) => { if (event.target.closest?.('.matrix a')) setTimeout(openTarget, 0); });
  openTarget();
  connectPrinting(page);
  document.documentElement.dataset.ready = 'tables';
  loadCharts(page);
}

/** Opens the claim that the address names. */
function openTarget() {
  let name = location.hash.slice(1);
  try { name = decodeURIComponent(name); } catch { /* not ours: no claim is called so */ }
  const claim = byId(name);
  if (!claim?.classList.contains('claim')) return;
  claim.open = true;
  claim.scrollIntoView({ block: 'start' });
}

// ---- charts -------------------------------------------------------------------------------------

async function loadCharts(page) {
  const packed = byId('plotly').textContent.trim();
  if (packed) {
    await new Promise((resolve) => { setTimeout(resolve, 0); });
    page.plotly = await loadPlotly(packed);
    drawOpen(page);
  }
  document.documentElement.dataset.ready = 'charts';
}

function drawOpen(page) { claims().forEach((claim) => drawClaim(page, claim)); }

/** Draws the charts of a claim, where it is open and they can be. */
function drawClaim(page, claim) {
  const charts = page.config.charts[claim.dataset.name];
  if (!page.plotly || !claim.open || !charts) return;
  const theme = coloursNow(page);
  claim.querySelectorAll('.panels').forEach((place) => drawChart(page, charts[Number(place.dataset.chart)], place, theme));
}

function drawChart(page, chart, place, theme) {
  place.previousElementSibling.replaceChildren(...chart.series.map((name, i) => seriesItem(name, i, theme)));
  if (!place.children.length) place.append(...chart.panels.map(newPanel)); // all of them first: each changes the others' width
  chart.panels.forEach((panel, i) => {
    const { data, layout } = panelFigure(chart, panel, theme);
    page.plotly.react(place.children[i].lastElementChild, data, layout, { displayModeBar: false, responsive: true });
  });
}

function newPanel(panel) {
  const target = document.createElement('div');
  target.className = 'panel';
  if (panel.title) {
    const title = document.createElement('h4');
    title.textContent = panel.title;
    target.append(title);
  }
  target.append(document.createElement('div'));
  return target;
}

/** A curve's name behind the mark it is drawn with. */
function seriesItem(name, i, theme) {
  const item = document.createElement('li');
  const mark = document.createElementNS(SVG, 'svg');
  const shape = document.createElementNS(SVG, 'path');
  mark.setAttribute('width', '12');
  mark.setAttribute('height', '12');
  shape.setAttribute('d', SHAPES[i % SHAPES.length][1]);
  shape.setAttribute('fill', theme.series[i % theme.series.length]);
  mark.append(shape);
  item.append(mark, name);
  return item;
}

// ---- theme and paper ----------------------------------------------------------------------------

/** The colours in use, those of the series among them. */
function coloursNow(page) {
  const { name, tokens } = themeNow();
  return { ...tokens, series: page.config.colours.map((colour) => colour[name]) };
}

/** On paper every claim is open. */
function connectPrinting(page) {
  let closed = [];
  window.addEventListener('beforeprint', () => {
    closed = claims().filter((claim) => !claim.open);
    closed.forEach((claim) => { claim.open = true; });
    drawOpen(page);
  });
  window.addEventListener('afterprint', () => { closed.forEach((claim) => { claim.open = false; }); });
}

start();
