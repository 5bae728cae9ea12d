// Moving through time: what keys, wheel and buttons do to the part in view, on whatever page has one.

import { clampView, panBy, sameRange, zoomAt } from './view.js';

/** A wheel that began to turn elsewhere keeps scrolling the page for this long, ms. */
const WHEEL_REST = 250;
/** Turns of the wheel closer than this are one move to undo, ms. */
const BURST = 600;
const MOST_TURN = 240;
const PER_TURN = 0.0022;
const LINE = 16;

/**
 * @typedef {object} Mover something that shows a part of a run
 * @property {import('./view.js').Range} view
 * @property {import('./view.js').Range} whole what can be shown
 * @property {import('./view.js').Range[]} history views to go back to
 * @property {() => void} moved told after each move
 */

/** Shows another part; `remember` says whether the way back leads here. @param {Mover} self @param {import('./view.js').Range} view @param {boolean} remember */
export function show(self, view, remember = true) {
  const next = clampView(view, self.whole);
  if (sameRange(next, self.view)) return;
  if (remember) self.history.push(self.view);
  self.view = next;
  self.moved();
}

/** Back to the view before the last move. @param {Mover} self */
export function undo(self) {
  const before = self.history.pop();
  if (before) show(self, before, false);
}

export const zoom = (self, factor, time) => show(self, zoomAt(self.view, time ?? (self.view.from + self.view.to) / 2, factor, self.whole));
export const pan = (self, share) => show(self, panBy(self.view, share, self.whole));
export const showAll = (self) => show(self, self.whole);

const closer = (self) => zoom(self, 1 / 1.6);
const farther = (self) => zoom(self, 1.6);
const goLeft = (self) => pan(self, -0.2);
const goRight = (self) => pan(self, 0.2);

/** What keys do wherever there is a part in view. @type {Record<string, (self: Mover) => void>} */
export const MOVES = {
  w: closer, '+': closer, '=': closer, s: farther, '-': farther, a: goLeft, ArrowLeft: goLeft, d: goRight, ArrowRight: goRight, Home: showAll, u: undo,
};

/** The buttons beside the timelines. @param {Mover} self @param {(id: string) => HTMLElement} element */
export function connectButtons(self, element) {
  const acts = { 'zoom-in': () => zoom(self, 1 / 2), 'zoom-out': () => zoom(self, 2), 'zoom-fit': () => showAll(self), undo: () => undo(self) };
  for (const [id, act] of Object.entries(acts)) element(id).addEventListener('click', act);
}

/**
 * The wheel zooms at the pointer, sideways or with Shift it moves. At the whole it lets the page scroll.
 * @param {Mover} self
 * @param {HTMLElement} region in which it does
 * @param {(event: WheelEvent) => {time: number, width: number} | null} placeOf the instant under the pointer
 */
export function connectWheel(self, region, placeOf) {
  let [outside, turned] = [-Infinity, -Infinity];
  window.addEventListener('wheel', (event) => { if (!region.contains(event.target)) outside = event.timeStamp; }, { passive: true });
  region.addEventListener('wheel', (event) => {
    if (event.timeStamp - outside < WHEEL_REST) { outside = event.timeStamp; return; }
    const place = event.altKey ? null : placeOf(event);
    if (!place) return;
    const { sideways, amount } = turnOf(event);
    if (sameRange(self.view, self.whole) && !sideways && amount > 0) return;
    event.preventDefault();
    if (event.timeStamp - turned > BURST) self.history.push(self.view);
    turned = event.timeStamp;
    const depth = self.history.length;
    if (sideways) pan(self, amount / place.width);
    else zoom(self, Math.exp(Math.max(-MOST_TURN, Math.min(MOST_TURN, amount)) * PER_TURN), place.time);
    self.history.length = Math.min(self.history.length, depth);
  }, { passive: false });
}

/** How far the wheel turned, px, and whether sideways. */
function turnOf(event) {
  const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
  return { sideways, amount: (sideways && event.deltaX !== 0 ? event.deltaX : event.deltaY) * (event.deltaMode === 1 ? LINE : 1) };
}
