// Lanes on a canvas: single intervals where there is room for them, shares of states where there is not.

import { GIL_WAIT, STATES, SUMS, addLaneCells } from './aggregate.js';
import { shortFunction } from './format.js';
import { poolCells } from './groups.js';
import { intervalAt } from './store.js';

/** Intervals per pixel above which a lane is drawn as shares. */
const DENSE = 0.3;
const LABEL_ROOM = 44;
const LABEL_HEIGHT = 14;
/** Intervals in a lane above which looking for wide ones would take too long. */
const MANY_INTERVALS = 20_000;

/**
 * @typedef {{rgba: Uint32Array, stripe: Uint32Array, css: string[], ink: string[], page: string, pageRgba: number, line: string, accent: string}} Paint
 */

/** @param {string} hex `#rrggbb` @returns {[number, number, number]} */
export function rgbOf(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/**
 * @param {[number, number, number]} rgb
 * @returns {number} as a pixel of ImageData on a little-endian machine
 */
export function pixelOf([r, g, b]) { return ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0; }

/**
 * @param {[number, number, number]} a
 * @param {[number, number, number]} b
 * @param {number} share of b
 * @returns {[number, number, number]}
 */
export function mix(a, b, share) { return a.map((value, i) => Math.round(value + (b[i] - value) * share)); }

/**
 * Black or white on the colour: white down to a contrast that large text needs, for it looks calmer.
 * @param {string} hex
 * @returns {string}
 */
export function inkOn(hex) {
  const [r, g, b] = rgbOf(hex).map((value) => (value / 255) ** 2.2);
  return 1.05 / (0.2126 * r + 0.7152 * g + 0.0722 * b + 0.05) >= 4 ? '#ffffff' : '#111418';
}

/**
 * @param {object[]} states with `light`, `dark`, `striped`
 * @param {string} theme
 * @param {Record<string, string>} tokens
 * @returns {Paint}
 */
export function paintOf(states, theme, tokens) {
  const css = states.map((state) => state[theme]);
  const page = rgbOf(tokens.page);
  const muted = rgbOf(tokens.muted);
  return {
    css, ink: css.map(inkOn), page: tokens.page, line: tokens.rule, accent: tokens.accent, pageRgba: pixelOf(page),
    rgba: Uint32Array.from(css, (hex) => pixelOf(rgbOf(hex))),
    stripe: Uint32Array.from(css, (hex, s) => pixelOf(states[s].striped ? mix(rgbOf(hex), muted, 0.4) : mix(rgbOf(hex), page, 0.4))),
  };
}

/** Stripes by how an interval is known: none, sparse, dense; what has a pattern of its own counts as dense. */
export const DENSE_STRIPES = 2;
const STRIPES = [null, { every: 12, wide: 1 }, { every: 6, wide: 2 }];
const TILE = 12;

/**
 * Whether a pixel lies on a stripe.
 * @param {number} x
 * @param {number} y
 * @param {number} evidence 0 exact, 1 derived, 2 inferred
 * @returns {boolean}
 */
export function onStripe(x, y, evidence) {
  const stripes = STRIPES[evidence];
  return stripes !== null && (x + y) % stripes.every < stripes.wide;
}

/**
 * One lane's cells as pixels: the states of a cell stacked by share, from the bottom.
 * @param {Uint32Array} pixels
 * @param {{width: number, height: number, top: number}} box
 * @param {Float64Array} cells
 * @param {{cellNs: number, hidden: Set<number>, striped: Uint8Array, paint: Paint}} style
 */
export function paintCells(pixels, box, cells, style) {
  const { paint, hidden, striped, cellNs } = style;
  for (let x = 0; x < box.width; x += 1) {
    const base = x * SUMS;
    const known = evidenceOf(cells, base, cellNs);
    let sum = 0;
    let bottom = 0;
    for (let s = 0; s < STATES; s += 1) {
      const ns = cells[base + s];
      if (ns <= 0) continue;
      sum += ns;
      const level = Math.min(box.height, Math.round((sum / cellNs) * box.height));
      if (!hidden.has(s)) {
        const fill = paint.rgba[s];
        const stripes = striped[s] ? DENSE_STRIPES : known;
        for (let y = bottom; y < level; y += 1) {
          const row = box.top + box.height - 1 - y;
          pixels[row * box.width + x] = onStripe(x, row, stripes) ? paint.stripe[s] : fill;
        }
      }
      bottom = level;
    }
  }
}

/** How most of a cell is known. */
function evidenceOf(cells, base, cellNs) {
  if (cells[base + STATES + 1] > cellNs / 2) return 2;
  return cells[base + STATES] + cells[base + STATES + 1] > cellNs / 2 ? 1 : 0;
}

/**
 * Whether a lane has room for its single intervals; a pool (-1) never has.
 * @param {import('./store.js').Store} store
 * @param {number} lane
 * @param {import('./view.js').Range} view
 * @param {number} width px
 * @returns {boolean}
 */
export function hasRoom(store, lane, view, width) {
  if (lane < 0) return false;
  return intervalAt(store, lane, view.to) - intervalAt(store, lane, view.from) <= width * DENSE;
}

/**
 * Single intervals as rectangles, with their functions where they fit.
 * @param {CanvasRenderingContext2D} context @param {{top: number, height: number, width: number}} box
 * @param {{store: import('./store.js').Store, names: string[], view: import('./view.js').Range, hidden: Set<number>, paint: Paint, striped: Uint8Array, found: Uint8Array | null, patterns: CanvasPattern[][]}} scene
 * @param {number} lane
 */
export function drawIntervals(context, box, scene, lane) {
  const { store, view, paint } = scene;
  const scale = box.width / (view.to - view.from);
  for (let i = Math.max(store.from[lane], intervalAt(store, lane, view.from)); i < store.from[lane + 1]; i += 1) {
    const start = store.bounds[i + lane];
    if (start >= view.to) break;
    if (store.bounds[i + lane + 1] <= view.from) continue;
    const kind = store.kind[i];
    const state = store.kinds.state[kind];
    if (scene.hidden.has(state)) continue;
    const left = Math.max((start - view.from) * scale, 0);
    const right = Math.min((store.bounds[i + lane + 1] - view.from) * scale, box.width);
    const width = Math.max(right - left, 0.75);
    const gap = width > 5 ? 1 : 0;
    context.fillStyle = paint.css[state];
    context.fillRect(left, box.top, width - gap, box.height);
    const stripes = scene.striped[state] ? DENSE_STRIPES : store.kinds.evidence[kind];
    if (stripes) {
      context.fillStyle = scene.patterns[stripes][state];
      context.fillRect(left, box.top, width - gap, box.height);
    }
    const place = { left, width, ink: paint.ink[state], fill: paint.css[state] };
    if (width > LABEL_ROOM && box.height >= LABEL_HEIGHT) drawLabel(context, box, place, labelOf(scene, i));
  }
}

/**
 * What a waiting thread waits for, else the function it is in. One that wants the GIL is done with its call: what it
 * waits for is the thread that has it.
 * @param {{store: import('./store.js').Store, names: string[]}} scene
 * @param {number} i interval
 * @returns {string}
 */
export function labelOf({ store, names }, i) {
  const kind = store.kind[i];
  if (store.kinds.state[kind] === GIL_WAIT) return `for ${names[store.blocker[i]] ?? 'the GIL'}`;
  return store.reasons[store.kinds.reason[kind]] || store.functions[store.kinds.fn[kind]];
}

/** Names those intervals of a dense lane that have room for it. */
function labelWide(context, box, scene, lane) {
  const { store, view, paint } = scene;
  const scale = box.width / (view.to - view.from);
  const first = Math.max(store.from[lane], intervalAt(store, lane, view.from));
  const last = intervalAt(store, lane, view.to);
  if (box.height < LABEL_HEIGHT || last - first > MANY_INTERVALS) return;
  for (let i = first; i <= last; i += 1) {
    const left = Math.max((store.bounds[i + lane] - view.from) * scale, 0);
    const width = Math.min((store.bounds[i + lane + 1] - view.from) * scale, box.width) - left;
    const state = store.kinds.state[store.kind[i]];
    if (width <= LABEL_ROOM || scene.hidden.has(state)) continue;
    drawLabel(context, box, { left, width, ink: paint.ink[state], fill: paint.css[state] }, labelOf(scene, i));
  }
}

function drawLabel(context, box, place, name) {
  if (!name) return;
  const text = shortFunction(name);
  const room = place.width - 11;
  const widest = context.measureText(text).width;
  const shown = widest <= room ? text : `${text.slice(0, Math.max(0, Math.floor((text.length * room) / widest) - 1))}…`;
  if (shown.length < 3 && shown !== text) return;
  context.fillStyle = place.fill;
  context.fillRect(place.left + 2, box.top, context.measureText(shown).width + 6, box.height);
  context.fillStyle = place.ink;
  context.fillText(shown, place.left + 5, box.top + box.height / 2 + 0.5);
}

/**
 * Patterns of stripes, by evidence and state.
 * @param {CanvasRenderingContext2D} context
 * @param {Paint} paint
 * @returns {CanvasPattern[][]}
 */
export function stripePatterns(context, paint) {
  return STRIPES.map((_, evidence) => Array.from(paint.stripe, (stripe) => {
    const tile = document.createElement('canvas');
    tile.width = TILE;
    tile.height = TILE;
    const pixels = tile.getContext('2d').createImageData(TILE, TILE);
    const words = new Uint32Array(pixels.data.buffer);
    for (let y = 0; y < TILE; y += 1) for (let x = 0; x < TILE; x += 1) if (onStripe(x, y, evidence)) words[y * TILE + x] = stripe;
    tile.getContext('2d').putImageData(pixels, 0, 0);
    return context.createPattern(tile, 'repeat');
  }));
}

/**
 * Every lane in sight, on a canvas made ready.
 * @param {HTMLCanvasElement} canvas
 * @param {object} scene `store names sums view hidden paint striped patterns`, `rows` ({lane, pool, top} in px) and `row` ({height, bar})
 * @param {{width: number}} size
 */
export function drawLanes(canvas, scene, size) {
  const context = canvas.getContext('2d');
  const inset = Math.floor((scene.row.height - scene.row.bar) / 2);
  const dense = scene.rows.filter((row) => !hasRoom(scene.store, row.lane, scene.view, size.width));
  drawDense(context, scene, { ...size, inset }, dense);
  const isDense = new Set(dense);
  for (const row of scene.rows) {
    if (!isDense.has(row)) drawIntervals(context, { top: row.top + inset, height: scene.row.bar, width: size.width }, scene, row.lane);
  }
}

function drawDense(context, scene, size, rows) {
  if (!rows.length) return;
  const width = Math.max(1, Math.floor(size.width));
  const image = new ImageData(width, rows.length * scene.row.bar);
  const pixels = new Uint32Array(image.data.buffer);
  const cells = new Float64Array(width * SUMS);
  const cellNs = (scene.view.to - scene.view.from) / width;
  rows.forEach((row, i) => {
    const grid = { ...scene.view, cells: width };
    if (row.pool) poolCells(scene.store, scene.sums, row.pool.lanes, grid, cells);
    else addLaneCells(scene.store, scene.sums, row.lane, grid, cells.fill(0));
    const style = { ...scene, cellNs: cellNs * (row.pool?.peak ?? 1) };
    paintCells(pixels, { width, height: scene.row.bar, top: i * scene.row.bar }, cells, style);
  });
  const sheet = scene.sheet;
  sheet.width = width;
  sheet.height = image.height;
  sheet.getContext('2d').putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  rows.forEach((row, i) => {
    const top = row.top + size.inset;
    context.drawImage(sheet, 0, i * scene.row.bar, width, scene.row.bar, 0, top, width, scene.row.bar);
    if (!row.pool) labelWide(context, { top, height: scene.row.bar, width: size.width }, scene, row.lane);
  });
}
