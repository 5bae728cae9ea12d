// Wires the page of a comparison: runs, legend, theme and address.

import { createRuns, redrawRuns, showRuns, useColours } from './runs.js';
import { connectRuns } from './runsgestures.js';
import { formatHash, parseHash, sameRange } from './view.js';

const byId = (id) => document.getElementById(id);

/** The colours the style sheet has in use. */
function coloursNow() {
  const style = getComputedStyle(document.documentElement);
  const names = ['ink', 'muted', 'rule', 'page', 'accent'];
  const theme = document.documentElement.dataset.theme === 'dark' ? 'dark' : 'light';
  return [theme, Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]))];
}

async function start() {
  const all = await createRuns(JSON.parse(byId('config').textContent), byId);
  connectLegend(all);
  connectRuns(all);
  connectTheme(all);
  const { view, hidden } = parseHash(location.hash);
  all.hidden = new Set(hidden.map((id) => all.config.states.findIndex((state) => state.id === id)).filter((s) => s >= 0));
  if (view) showRuns(all, view, false);
  all.onMove = () => writeHash(all);
  useColours(all, ...coloursNow());
  markHidden(all);
  new ResizeObserver(() => redrawRuns(all)).observe(byId('runs'));
  requestAnimationFrame(() => setTimeout(() => { document.documentElement.dataset.ready = 'runs'; }, 0));
}

let writing = 0;

/** The address names the view once it rests; browsers refuse to be told too often. */
function writeHash(all) {
  clearTimeout(writing);
  writing = setTimeout(() => {
    const hidden = [...all.hidden].map((s) => all.config.states[s].id);
    const hash = formatHash({ view: sameRange(all.view, all.whole) ? null : all.view, selection: null, hidden, lane: '' });
    history.replaceState(null, '', hash || location.pathname + location.search);
  }, 150);
}

function connectLegend(all) {
  for (const button of byId('legend').querySelectorAll('button')) {
    const s = all.config.states.findIndex((state) => state.id === button.dataset.state);
    button.addEventListener('click', () => {
      if (all.hidden.has(s)) all.hidden.delete(s); else all.hidden.add(s);
      markHidden(all);
      writeHash(all);
    });
  }
}

/** A hidden state goes from the lanes and from the bars alike. */
function markHidden(all) {
  for (const [s, state] of all.config.states.entries()) {
    byId('legend').querySelector(`[data-state=${state.id}]`)?.setAttribute('aria-pressed', String(!all.hidden.has(s)));
    document.documentElement.classList.toggle(`hide-${state.id}`, all.hidden.has(s));
  }
  redrawRuns(all);
}

function connectTheme(all) {
  const apply = (theme) => {
    document.documentElement.dataset.theme = theme;
    useColours(all, ...coloursNow());
  };
  const stored = () => { try { return localStorage.getItem('gtrace-theme'); } catch { return null; } };
  byId('theme').addEventListener('click', () => {
    const theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
    try { localStorage.setItem('gtrace-theme', theme); } catch { /* storage is refused: the choice lasts as long as the page */ }
    apply(theme);
  });
  let before = 'light';
  window.addEventListener('beforeprint', () => { before = document.documentElement.dataset.theme; if (before === 'dark') apply('light'); });
  window.addEventListener('afterprint', () => { if (before === 'dark') apply('dark'); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', (event) => { if (!stored()) apply(event.matches ? 'dark' : 'light'); });
}

start();
