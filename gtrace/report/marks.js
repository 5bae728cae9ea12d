// What lies over the lanes: what a search found, the selection, where calls begin to be known, the pinned interval and its arrows.

import { firstWhere } from './find.js';
import { joinsEndedBy } from './joins.js';
import { laneEnd } from './store.js';

/** Draws all that lies over the lanes. @param {object} self the timeline @param {object} scene @param {object} size */
export function drawMarks(self, scene, size) {
  const context = self.canvas.getContext('2d');
  const x = (time) => ((time - self.view.from) / (self.view.to - self.view.from)) * size.width;
  drawCallsStart(self, context, x, size);
  if (self.found) drawMatches(self, scene, context, size);
  const range = self.drag?.range ?? self.selection;
  if (range) {
    context.fillStyle = self.paint.accent;
    context.globalAlpha = 0.12;
    context.fillRect(x(range.from), 0, x(range.to) - x(range.from), size.height);
    context.globalAlpha = 1;
    context.fillRect(x(range.from) - 0.5, 0, 1, size.height);
    context.fillRect(x(range.to) - 0.5, 0, 1, size.height);
  }
  if (self.pin) drawPin(self, scene, context, x);
}

/** A line under every interval that the search found; those that fall on one pixel are one. */
function drawMatches(self, scene, context, size) {
  const { store, view } = scene;
  const pxNs = (view.to - view.from) / size.width;
  context.fillStyle = self.ink.ink;
  for (const { lane, top } of scene.rows.filter((row) => row.lane >= 0)) {
    const own = self.found.intervals[lane];
    const y = top + (self.row.height + self.row.bar) / 2;
    const endsAfter = (time) => (i) => store.bounds[i + lane + 1] > time;
    for (let at = firstWhere(own, endsAfter(view.from)); at < own.length && store.bounds[own[at] + lane] < view.to;) {
      const left = Math.max(0, (store.bounds[own[at] + lane] - view.from) / pxNs);
      const right = Math.min(size.width, Math.max(left + 1.5, (store.bounds[own[at] + lane + 1] - view.from) / pxNs));
      context.fillRect(left, y, right - left, 2);
      at = firstWhere(own, endsAfter(view.from + right * pxNs), at + 1);
    }
  }
}

/** Where the oldest calls were lost: what is left of the line is known without them. */
function drawCallsStart(self, context, x, size) {
  const from = self.world.config.callsKnownFrom;
  if (from <= self.view.from || from >= self.view.to) return;
  const at = Math.round(x(from)) + 0.5;
  context.strokeStyle = self.ink.ink;
  context.lineWidth = 1;
  context.setLineDash([5, 3]);
  context.beginPath();
  context.moveTo(at, 0);
  context.lineTo(at, size.height);
  context.stroke();
  context.setLineDash([]);
  context.fillStyle = self.paint.page;
  const text = 'calls known from here';
  context.fillRect(at + 3, 1, context.measureText(text).width + 6, 14);
  context.fillStyle = self.ink.ink;
  context.fillText(text, at + 6, 8.5);
}

/** The pinned interval framed, and arrows to it from who let it go on, and from the end of its thread to who waited for that. */
function drawPin(self, scene, context, x) {
  const { store, config } = self.world;
  const { lane, interval } = self.pin;
  const row = scene.rows.find((one) => one.lane === lane);
  const inset = (self.row.height - self.row.bar) / 2;
  const [start, end] = [store.bounds[interval + lane], store.bounds[interval + lane + 1]];
  context.strokeStyle = self.ink.ink;
  context.fillStyle = self.ink.ink;
  context.lineWidth = 2;
  if (row) context.strokeRect(x(start) - 1, row.top + inset - 1, Math.max(x(end) - x(start), 2) + 2, self.row.bar + 2);
  for (const arrow of arrowsOf(store, config.joins, lane, interval)) drawArrow(self, context, { ...arrow, x });
}

/**
 * From which lane and instant to which: why the interval ended, and whom its end let go on.
 * @param {import('./store.js').Store} store
 * @param {import('./joins.js').Join[]} joins
 * @param {number} lane
 * @param {number} interval
 * @returns {{from: number, fromNs: number, to: number, toNs: number}[]}
 */
export function arrowsOf(store, joins, lane, interval) {
  const end = store.bounds[interval + lane + 1];
  const from = store.blocker[interval];
  // a thread that was waited for is gone when the other goes on
  const arrows = from < 0 || from === lane ? [] : [{ from, fromNs: Math.min(end, laneEnd(store, from)), to: lane, toNs: end }];
  if (interval + 1 < store.from[lane + 1]) return arrows;
  return [...arrows, ...joinsEndedBy(joins, lane).map((join) => ({ from: lane, fromNs: end, to: join.lane, toNs: Math.max(end, join.to) }))];
}

/** From a lane's instant along it, then to the other lane; what is out of sight leads to the edge. */
function drawArrow(self, context, arrow) {
  const [from, to] = [topOf(self, arrow.from), topOf(self, arrow.to)];
  if (from === null || to === null || from === to) return;
  const down = to > from;
  const inset = (self.row.height - self.row.bar) / 2;
  const [left, right] = [arrow.x(arrow.fromNs), arrow.x(arrow.toNs)];
  const start = from + self.row.height / 2;
  const tip = to + (down ? inset - 2 : self.row.height - inset + 2);
  context.lineWidth = 1.5;
  context.beginPath();
  context.moveTo(left, start);
  context.lineTo(right, start);
  context.lineTo(right, tip);
  context.stroke();
  context.beginPath();
  context.arc(left, start, 3, 0, 7);
  context.moveTo(right, tip);
  context.lineTo(right - 4, tip + (down ? -6 : 6));
  context.lineTo(right + 4, tip + (down ? -6 : 6));
  context.fill();
}

/** Where a lane's row begins, or that of the pool it is folded into; px below the top of what is in sight. */
function topOf(self, lane) {
  const alone = self.rows.findIndex((row) => row.lane === lane);
  const at = alone >= 0 ? alone : self.rows.findIndex((row) => row.pool?.lanes.includes(lane));
  return at < 0 ? null : at * self.row.height - self.scroll.scrollTop;
}
