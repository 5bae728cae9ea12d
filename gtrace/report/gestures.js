// Pointer, wheel and keys on the timeline; each only calls what the timeline offers.

import { MOVES, connectWheel, show, undo } from './navigate.js';
import { pin, redraw, select, showChosen, step, stepLane, stepMatch, under, unpin, wordsUnder } from './timeline.js';
import { heldAt } from './gil.js';
import { intervalAt } from './store.js';
import { coresWords, holderWords, showAt } from './tooltip.js';
import { panBy, sameRange } from './view.js';

/** A drag shorter than this is a click, px. */
const CLICK = 4;

/** Connects all gestures. @param {object} self the timeline */
export function connectGestures(self) {
  connectPointer(self);
  connectWheel(self, self.body, (event) => {
    hideTooltip(self);
    return { time: timeAt(self, place(self, event).x), width: self.width };
  });
  connectOverview(self);
  connectStrips(self);
  connectKeys(self);
  self.scroll.addEventListener('scroll', () => { hideTooltip(self); redraw(self); });
}

function place(self, event) {
  const box = self.canvas.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function timeAt(self, x) { return self.view.from + (x / self.width) * (self.view.to - self.view.from); }

function connectPointer(self) {
  const { canvas } = self;
  canvas.addEventListener('pointerdown', (event) => {
    if (event.button > 1) return;
    const at = place(self, event);
    const moves = event.shiftKey || event.button === 1 || event.pointerType === 'touch';
    self.drag = { ...at, from: timeAt(self, at.x), view: self.view, moves, range: null, far: false };
    canvas.setPointerCapture(event.pointerId);
    self.element('lanes').focus({ preventScroll: true });
    if (event.button === 1) event.preventDefault();
  });
  canvas.addEventListener('pointermove', (event) => {
    if (self.drag) drag(self, place(self, event));
    else hover(self, event);
  });
  canvas.addEventListener('pointerup', (event) => drop(self, place(self, event)));
  canvas.addEventListener('pointercancel', () => { self.drag = null; redraw(self); });
  canvas.addEventListener('pointerleave', () => hideTooltip(self));
  canvas.addEventListener('dblclick', () => showChosen(self));
}

function drag(self, at) {
  const { drag: held } = self;
  held.far ||= Math.abs(at.x - held.x) >= CLICK;
  if (!held.far) return;
  hideTooltip(self);
  if (held.moves) {
    show(self, panBy(held.view, (held.x - at.x) / self.width, self.whole), sameStart(self, held));
  } else {
    const to = timeAt(self, Math.min(Math.max(at.x, 0), self.width));
    held.range = { from: Math.min(held.from, to), to: Math.max(held.from, to) };
    redraw(self);
  }
}

/** Only the first move of a drag is remembered: undo leads back to where it began. */
function sameStart(self, held) { const first = !held.moved; held.moved = true; return first; }

function drop(self, at) {
  const held = self.drag;
  self.drag = null;
  if (!held) return;
  if (held.range) select(self, held.range);
  else if (!held.far) {
    const found = under(self, at.x, at.y);
    if (found?.lane >= 0) pin(self, found.lane, found.interval); else unpin(self);
  }
}

function hover(self, event) {
  const at = place(self, event);
  tell(self, event, wordsUnder(self, at.x, at.y));
}

function tell(self, event, words) { showAt(self.element('tooltip'), words, self.world.config.states, event); }

/** @param {object} self the timeline */
export function hideTooltip(self) { self.element('tooltip').hidden = true; }

function connectOverview(self) {
  const strip = self.element('overview');
  const go = (event) => {
    const box = strip.getBoundingClientRect();
    const time = ((event.clientX - box.left) / box.width) * self.duration;
    const half = (self.view.to - self.view.from) / 2;
    show(self, { from: time - half, to: time + half }, event.type === 'pointerdown');
  };
  strip.addEventListener('pointerdown', (event) => {
    strip.setPointerCapture(event.pointerId);
    if (!sameRange(self.view, self.whole)) { go(event); return; }
    const box = strip.getBoundingClientRect();
    self.sweep = { box, x: event.clientX };
  });
  strip.addEventListener('pointermove', (event) => {
    if (!strip.hasPointerCapture(event.pointerId)) return;
    if (!self.sweep) go(event);
  });
  strip.addEventListener('pointerup', (event) => {
    if (!self.sweep) return;
    const { box, x } = self.sweep;
    self.sweep = null;
    const [from, to] = [x, event.clientX].sort((a, b) => a - b).map((at) => ((at - box.left) / box.width) * self.duration);
    if (event.clientX !== x) show(self, { from, to });
  });
}

function connectStrips(self) {
  for (const [id, words] of [['gil', holderWords], ['cores', coresWords]]) {
    const strip = self.element(id);
    strip.addEventListener('pointermove', (event) => {
      tell(self, event, words(self, timeAt(self, event.clientX - strip.getBoundingClientRect().left)));
    });
    strip.addEventListener('pointerleave', () => hideTooltip(self));
  }
  self.element('gil').addEventListener('click', (event) => {
    const time = timeAt(self, event.clientX - self.element('gil').getBoundingClientRect().left);
    const found = self.held ? heldAt(self.held, time) : -1;
    if (found >= 0) pin(self, self.held.lane[found], intervalAt(self.world.store, self.held.lane[found], time));
  });
}

/** What each key does. @type {Record<string, (self: object) => void>} */
const KEYS = {
  ...MOVES,
  ArrowUp: (self) => stepLane(self, -1), ArrowDown: (self) => stepLane(self, 1),
  '.': (self) => step(self, 1), ',': (self) => step(self, -1),
  r: (self) => select(self, self.view), f: showChosen,
  Enter: (self) => { if (self.pin) selectPinned(self); },
  Escape: (self) => { if (!closeHelp(self)) letGo(self); },
  '/': (self) => self.element('search').focus(),
  '?': (self) => toggleHelp(self),
};

function selectPinned(self) {
  const { lane, interval } = self.pin;
  select(self, { from: self.world.store.bounds[interval + lane], to: self.world.store.bounds[interval + lane + 1] });
}

function letGo(self) {
  if (self.selection) select(self, null);
  unpin(self);
  hideTooltip(self);
}

/** @param {object} self the timeline */
export function toggleHelp(self) {
  const help = self.element('help');
  help.hidden = !help.hidden;
  self.element('help-button').setAttribute('aria-expanded', String(!help.hidden));
}

/** Whether there was help to close. */
function closeHelp(self) {
  const help = self.element('help');
  if (help.hidden) return false;
  const within = help.contains(document.activeElement);
  toggleHelp(self);
  if (within) self.element('lanes').focus({ preventScroll: true });
  return true;
}

/** Keys that act wherever the focus is, as long as it is not in a field. */
const EVERYWHERE = new Set(['/', '?', 'Escape']);

function connectKeys(self) {
  self.element('help-close').addEventListener('click', () => closeHelp(self));
  document.addEventListener('keydown', (event) => {
    const field = event.target instanceof Element && event.target.closest('input, select, textarea');
    if (field) {
      if (event.key === 'Enter' && field.id === 'search') stepMatch(self, event.shiftKey ? -1 : 1);
      if (event.key === 'Escape' && !closeHelp(self) && field.id === 'search') self.element('lanes').focus();
      return;
    }
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'z') { undo(self); event.preventDefault(); return; }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const within = self.element('lanes').contains(document.activeElement) || document.activeElement === document.body;
    if (!KEYS[key] || (!within && !EVERYWHERE.has(key))) return;
    if (document.activeElement === document.body && /^(Arrow|Home|Enter)/.test(key)) return;
    event.preventDefault();
    KEYS[key](self);
  });
}
