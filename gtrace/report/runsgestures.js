// Pointer, wheel and keys on the runs; what moves one moves all.

import { wordsUnder } from './timeline.js';
import { showWords } from './tooltip.js';
import { panBy, sameRange } from './view.js';
import { panRuns, redrawRuns, showAllRuns, showRuns, undoRuns, zoomRuns } from './runs.js';

/** A drag shorter than this is a click, px. */
const DRAG = 4;
/** A wheel that began to turn outside the runs keeps scrolling the page for this long, ms. */
const SCROLLING = 250;
/** Turns of the wheel closer than this are one move to undo, ms. */
const BURST = 600;

/** Connects all gestures. @param {object} all the runs */
export function connectRuns(all) {
  const lanes = all.element('runs');
  for (const run of all.runs) connectRunPointer(all, run);
  connectRunsWheel(all, lanes);
  connectRunsKeys(all, lanes);
  for (const [id, act] of [['zoom-in', () => zoomRuns(all, 0.5)], ['zoom-out', () => zoomRuns(all, 2)], ['zoom-fit', () => showAllRuns(all)], ['undo', () => undoRuns(all)]]) {
    all.element(id).addEventListener('click', act);
  }
}

function pointIn(run, event) {
  const box = run.canvas.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function instantAt(run, x) { return run.view.from + (Math.min(Math.max(x, 0), run.width) / run.width) * (run.view.to - run.view.from); }

function connectRunPointer(all, run) {
  const { canvas } = run;
  canvas.addEventListener('pointerdown', (event) => {
    if (event.button > 1) return;
    const at = pointIn(run, event);
    all.drag = { x: at.x, from: instantAt(run, at.x), view: all.view, moves: event.shiftKey || event.button === 1 || event.pointerType === 'touch', range: null, far: false };
    canvas.setPointerCapture(event.pointerId);
    all.element('runs').focus({ preventScroll: true });
    if (event.button === 1) event.preventDefault();
  });
  canvas.addEventListener('pointermove', (event) => { if (all.drag) dragRuns(all, run, event); else hoverRun(all, run, event); });
  canvas.addEventListener('pointerup', () => dropRuns(all));
  canvas.addEventListener('pointercancel', () => { all.drag = null; redrawRuns(all); });
  canvas.addEventListener('pointerleave', () => hideHover(all));
}

function dragRuns(all, run, event) {
  const at = pointIn(run, event);
  const { drag } = all;
  drag.far ||= Math.abs(at.x - drag.x) >= DRAG;
  if (!drag.far) return;
  hideHover(all);
  if (drag.moves) {
    showRuns(all, panBy(drag.view, (drag.x - at.x) / run.width, all.whole), !drag.moved);
    drag.moved = true;
    return;
  }
  const to = instantAt(run, at.x);
  drag.range = { from: Math.min(drag.from, to), to: Math.max(drag.from, to) };
  redrawRuns(all);
}

function dropRuns(all) {
  const range = all.drag?.range;
  all.drag = null;
  if (range && range.to > range.from) showRuns(all, range); else redrawRuns(all);
}

function hoverRun(all, run, event) {
  const at = pointIn(run, event);
  markInstant(all, run, at.x);
  const words = wordsUnder(run, at.x, at.y);
  const tooltip = all.element('tooltip');
  if (!words) { tooltip.hidden = true; return; }
  showWords(tooltip, words, all.config.states);
  tooltip.hidden = false;
  const { offsetWidth: width, offsetHeight: height } = tooltip;
  const left = event.clientX + 16 + width > window.innerWidth ? event.clientX - width - 12 : event.clientX + 16;
  const top = event.clientY + 18 + height > window.innerHeight ? event.clientY - height - 12 : event.clientY + 18;
  tooltip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
}

/** A line through all runs at the instant under the pointer. */
function markInstant(all, run, x) {
  const line = all.element('instant');
  const from = run.canvas.getBoundingClientRect().left - all.element('runs').getBoundingClientRect().left;
  line.hidden = false;
  line.style.transform = `translateX(${Math.round(from + x)}px)`;
}

function hideHover(all) {
  all.element('tooltip').hidden = true;
  all.element('instant').hidden = true;
}

function connectRunsWheel(all, lanes) {
  let outside = -Infinity;
  let turned = -Infinity;
  window.addEventListener('wheel', (event) => { if (!lanes.contains(event.target)) outside = event.timeStamp; }, { passive: true });
  lanes.addEventListener('wheel', (event) => {
    const run = all.runs.find((one) => one.canvas === event.target);
    if (event.timeStamp - outside < SCROLLING) { outside = event.timeStamp; return; }
    if (!run || event.altKey) return;
    const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
    const amount = (sideways && event.deltaX !== 0 ? event.deltaX : event.deltaY) * (event.deltaMode === 1 ? 16 : 1);
    if (sameRange(all.view, all.whole) && !sideways && amount > 0) return;
    event.preventDefault();
    hideHover(all);
    if (event.timeStamp - turned > BURST) all.history.push(all.view);
    turned = event.timeStamp;
    const depth = all.history.length;
    if (sideways) panRuns(all, amount / run.width);
    else zoomRuns(all, Math.exp(Math.max(-240, Math.min(240, amount)) * 0.0022), instantAt(run, pointIn(run, event).x));
    all.history.length = Math.min(all.history.length, depth);
  }, { passive: false });
}

/** What each key does. @type {Record<string, (all: object) => void>} */
const RUN_KEYS = {
  w: (all) => zoomRuns(all, 1 / 1.6), s: (all) => zoomRuns(all, 1.6), a: (all) => panRuns(all, -0.2), d: (all) => panRuns(all, 0.2),
  '+': (all) => zoomRuns(all, 1 / 1.6), '=': (all) => zoomRuns(all, 1 / 1.6), '-': (all) => zoomRuns(all, 1.6),
  ArrowLeft: (all) => panRuns(all, -0.2), ArrowRight: (all) => panRuns(all, 0.2), Home: showAllRuns, u: undoRuns,
};

function connectRunsKeys(all, lanes) {
  lanes.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = RUN_KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act(all);
  });
}
