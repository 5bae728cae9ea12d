// Pointer, wheel and keys on the runs; what moves one moves all.

import { wordsUnder } from './timeline.js';
import { MOVES, connectButtons, connectWheel, show } from './navigate.js';
import { redrawRuns } from './runs.js';
import { showAt } from './tooltip.js';
import { panBy } from './view.js';

/** A drag shorter than this is a click, px. */
const DRAG = 4;

/** Connects all gestures. @param {object} all the runs */
export function connectRuns(all) {
  const lanes = all.element('runs');
  for (const run of all.runs) connectRunPointer(all, run);
  connectWheel(all, lanes, (event) => {
    hideHover(all);
    const run = all.runs.find((one) => one.canvas === event.target);
    return run ? { time: instantAt(run, pointIn(run, event).x), width: run.width } : null;
  });
  connectRunsKeys(all, lanes);
  connectButtons(all, all.element);
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
    show(all, panBy(drag.view, (drag.x - at.x) / run.width, all.whole), !drag.moved);
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
  if (range && range.to > range.from) show(all, range); else redrawRuns(all);
}

function hoverRun(all, run, event) {
  const at = pointIn(run, event);
  markInstant(all, run, at.x);
  showAt(all.element('tooltip'), wordsUnder(run, at.x, at.y), all.config.states, event);
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

function connectRunsKeys(all, lanes) {
  lanes.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = MOVES[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act(all);
  });
}
