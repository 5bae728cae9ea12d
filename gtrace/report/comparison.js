// Wires the page of a comparison: runs, legend, theme and address.

import { show } from './navigate.js';
import { createRuns, redrawRuns, useColours } from './runs.js';
import { connectRuns } from './runsgestures.js';
import { connectTheme, themeNow } from './theme.js';
import { formatHash, parseHash, sameRange } from './view.js';

const byId = (id) => document.getElementById(id);

async function start() {
  const all = await createRuns(JSON.parse(byId('config').textContent), byId);
  connectLegend(all);
  connectRuns(all);
  connectTheme(byId('theme'), () => useColours(all, themeNow()));
  const { view, hidden } = parseHash(location.hash);
  all.hidden = new Set(hidden.map((id) => all.config.states.findIndex((state) => state.id === id)).filter((s) => s >= 0));
  if (view) show(all, view, false);
  all.onMove = () => writeHash(all);
  useColours(all, themeNow());
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

start();
