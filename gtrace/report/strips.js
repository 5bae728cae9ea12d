// The strips above the lanes: the whole run, cores in use, the holder of the GIL, and the axis.

import { SUMS } from './aggregate.js';
import { slicesOf } from './charts.js';
import { paintCells } from './draw.js';
import { axisTicks, decimalsFor } from './format.js';
import { firstAfter, heldCells, lowerBound } from './gil.js';

/** Heights, px. */
export const HEIGHT = { overview: 40, cores: 30, gil: 20, axis: 24 };
const CORE_CELL = 3;
const HOLDER_ROOM = 40;

/**
 * A canvas of that size in CSS pixels, ready to draw on.
 * @param {HTMLCanvasElement} canvas
 * @param {{width: number, height: number, ratio: number}} size
 * @returns {CanvasRenderingContext2D}
 */
export function prepare(canvas, size) {
  const w = Math.round(size.width * size.ratio);
  const h = Math.round(size.height * size.ratio);
  if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
  canvas.style.width = `${size.width}px`;
  canvas.style.height = `${size.height}px`;
  const context = canvas.getContext('2d');
  context.setTransform(size.ratio, 0, 0, size.ratio, 0, 0);
  context.clearRect(0, 0, size.width, size.height);
  context.font = '11px system-ui, sans-serif';
  context.textBaseline = 'middle';
  return context;
}

/**
 * Time in each state over the run, counted in as many cells as the page came with, in as many as are drawn.
 * @param {{cells: number[][]}} overview of each state, ns per cell
 * @param {number} count
 * @returns {Float64Array} count × SUMS, ns per cell it came with
 */
export function spreadCells(overview, count) {
  const out = new Float64Array(count * SUMS);
  overview.cells.forEach((cells, s) => {
    for (let i = 0; i < count; i += 1) {
      const first = Math.floor((i * cells.length) / count);
      const last = Math.max(first + 1, Math.floor(((i + 1) * cells.length) / count));
      for (let c = first; c < last; c += 1) out[i * SUMS + s] += cells[c] / (last - first);
    }
  });
  return out;
}

/**
 * The whole run, all threads together, with the part in view framed.
 * @param {HTMLCanvasElement} canvas
 * @param {Float64Array} cells
 * @param {object} scene
 * @param {{width: number, ratio: number}} size
 */
export function drawOverview(canvas, cells, scene, size) {
  const height = HEIGHT.overview;
  const context = prepare(canvas, { ...size, height });
  drawCells(context, cells, { ...scene, cellNs: scene.overviewNs }, { ...size, height });
  const x = (time) => (time / scene.duration) * size.width;
  context.fillStyle = scene.paint.page;
  context.globalAlpha = 0.62;
  context.fillRect(0, 0, x(scene.view.from), height);
  context.fillRect(x(scene.view.to), 0, size.width - x(scene.view.to), height);
  context.globalAlpha = 1;
  context.strokeStyle = scene.paint.accent;
  context.lineWidth = 1.5;
  const left = Math.max(0.75, x(scene.view.from));
  context.strokeRect(left, 0.75, Math.max(3, Math.min(x(scene.view.to), size.width - 0.75) - left), height - 1.5);
}

/**
 * Cores in use within the view: threads running or in native code, per slice.
 * @param {import('./store.js').Store} store
 * @param {import('./aggregate.js').Sums} sums
 * @param {import('./view.js').Range} view
 * @param {number} width px
 * @returns {{running: number[], native: number[]}}
 */
export function coresInUse(store, sums, view, width) {
  const count = Math.max(1, Math.floor(width / CORE_CELL));
  const slices = slicesOf(store, sums, view, count);
  const ns = (view.to - view.from) / count;
  const at = (s) => Array.from({ length: count }, (_, i) => slices[i * SUMS + s] / ns);
  return { running: at(0), native: at(1) };
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {{running: number[], native: number[]}} used
 * @param {{paint: object, cores: number}} scene
 * @param {{width: number, ratio: number}} size
 */
export function drawCores(canvas, used, scene, size) {
  const height = HEIGHT.cores;
  const context = prepare(canvas, { ...size, height });
  const top = Math.max(scene.cores, ...used.running.map((value, i) => value + used.native[i])) * 1.08;
  const wide = size.width / used.running.length;
  used.running.forEach((running, i) => {
    const low = (running / top) * height;
    const high = (used.native[i] / top) * height;
    const left = Math.round(i * wide);
    const right = Math.round((i + 1) * wide);
    context.fillStyle = scene.paint.css[0];
    context.fillRect(left, height - low, right - left, low);
    context.fillStyle = scene.paint.css[1];
    context.fillRect(left, height - low - high, right - left, high);
  });
  context.strokeStyle = scene.ink;
  context.globalAlpha = 0.6;
  context.setLineDash([4, 3]);
  context.beginPath();
  const line = Math.round(height - (scene.cores / top) * height) + 0.5;
  context.moveTo(0, line);
  context.lineTo(size.width, line);
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/**
 * Who holds the GIL: single holds where there is room, else what its holders did, by share.
 * @param {HTMLCanvasElement} canvas
 * @param {import('./gil.js').Held} held
 * @param {object} scene
 * @param {{width: number, ratio: number}} size
 */
export function drawGil(canvas, held, scene, size) {
  const context = prepare(canvas, { ...size, height: HEIGHT.gil });
  const { view } = scene;
  const first = firstAfter(held, view.from);
  const last = lowerBound(held.start, view.to);
  if (last - first > size.width * 0.4) drawHeldShares(context, held, scene, size);
  else drawHolds(context, held, scene, { ...size, first, last });
}

function drawHeldShares(context, held, scene, size) {
  const width = Math.max(1, Math.floor(size.width));
  const cells = heldCells(scene.store, held, { ...scene.view, cells: width });
  drawCells(context, cells, { ...scene, cellNs: (scene.view.to - scene.view.from) / width }, { ...size, height: HEIGHT.gil });
}

/** Cells of shares over a whole strip. */
function drawCells(context, cells, scene, size) {
  const width = cells.length / SUMS;
  const image = new ImageData(width, size.height);
  paintCells(new Uint32Array(image.data.buffer), { width, height: size.height, top: 0 }, cells, scene);
  scene.sheet.width = width;
  scene.sheet.height = size.height;
  scene.sheet.getContext('2d').putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(scene.sheet, 0, 0, size.width, size.height);
}

function drawHolds(context, held, scene, size) {
  const { store, paint, view } = scene;
  const scale = size.width / (view.to - view.from);
  const x = (time) => Math.min(Math.max((time - view.from) * scale, 0), size.width);
  for (let p = size.first; p < size.last; p += 1) {
    const kind = held.kind[p];
    const state = store.kinds.state[kind];
    const left = x(held.start[p]);
    const room = Math.max(x(held.end[p]) - left, 0.75);
    const goesOn = p + 1 < size.last && held.lane[p + 1] === held.lane[p] && held.start[p + 1] === held.end[p];
    const wide = room - (room > 5 && !goesOn ? 1 : 0);
    context.fillStyle = paint.css[state];
    context.fillRect(left, 0, wide, HEIGHT.gil);
    const stripes = store.kinds.evidence[kind];
    if (stripes) { context.fillStyle = scene.patterns[stripes][state]; context.fillRect(left, 0, wide, HEIGHT.gil); }
  }
  for (let p = size.first; p < size.last;) {
    let q = p;
    while (q + 1 < size.last && held.lane[q + 1] === held.lane[q] && held.start[q + 1] === held.end[q]) q += 1;
    const place = { left: x(held.start[p]), right: x(held.end[q]), state: store.kinds.state[held.kind[p]] };
    if (place.right - place.left > HOLDER_ROOM) holderLabel(context, scene, place, scene.names[held.lane[p]]);
    p = q + 1;
  }
}

function holderLabel(context, scene, place, name) {
  const room = place.right - place.left - 10;
  const wide = context.measureText(name).width;
  const shown = wide <= room ? name : `${name.slice(0, Math.max(1, Math.floor((name.length * room) / wide) - 1))}…`;
  context.fillStyle = scene.paint.css[place.state];
  context.fillRect(place.left + 2, 0, context.measureText(shown).width + 6, HEIGHT.gil);
  context.fillStyle = scene.paint.ink[place.state];
  context.fillText(shown, place.left + 5, HEIGHT.gil / 2 + 0.5);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {import('./view.js').Range} view
 * @param {{line: string, muted: string}} colours
 * @param {{width: number, ratio: number}} size
 */
export function drawAxis(canvas, view, colours, size) {
  const context = prepare(canvas, { ...size, height: HEIGHT.axis });
  const { step, at } = axisTicks(view.from, view.to, size.width / 110);
  const places = decimalsFor(step);
  for (const tick of at) {
    const x = Math.round(((tick - view.from) / (view.to - view.from)) * size.width);
    const text = `${(tick / 1e9).toFixed(places)} s`;
    const wide = context.measureText(text).width;
    context.fillStyle = colours.line;
    context.fillRect(x, HEIGHT.axis - 6, 1, 6);
    context.fillStyle = colours.muted;
    context.fillText(text, Math.min(Math.max(x - wide / 2, 0), size.width - wide), HEIGHT.axis / 2 - 2);
  }
}

/**
 * Lines through the lanes where the axis has its ticks.
 * @param {CanvasRenderingContext2D} context
 * @param {import('./view.js').Range} view
 * @param {string} colour
 * @param {{width: number, height: number}} size
 */
export function drawTicks(context, view, colour, size) {
  context.fillStyle = colour;
  for (const tick of axisTicks(view.from, view.to, size.width / 110).at) {
    context.fillRect(Math.round(((tick - view.from) / (view.to - view.from)) * size.width), 0, 1, size.height);
  }
}
