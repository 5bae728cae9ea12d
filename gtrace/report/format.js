// Numbers and names as a reader sees them. Pure functions.

const NS_PER_S = 1e9;

/** Three significant digits without an exponent. @param {number} value @returns {string} */
export function significant(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2);
}

/** A duration in the unit that suits its size. @param {number} ns @returns {string} */
export function formatDuration(ns) {
  const size = Math.abs(ns);
  if (size === 0) return '0';
  if (size >= 999.5 * NS_PER_S) return `${formatCount(Math.round(ns / NS_PER_S))} s`;
  if (size >= 999.5e6) return `${significant(ns / 1e9)} s`;
  if (size >= 999.5e3) return `${significant(ns / 1e6)} ms`;
  if (size >= 999.5) return `${significant(ns / 1e3)} µs`;
  return `${Math.round(ns)} ns`;
}

/** A whole number with its thousands apart. @param {number} value @returns {string} */
export function formatCount(value) {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',');
}

/**
 * A share of one as a percentage; what is there but small never reads 0 %.
 * @param {number} share
 * @returns {string}
 */
export function formatPercent(share) {
  if (!Number.isFinite(share)) return '–';
  const percent = share * 100;
  if (percent > 0 && percent < 0.1) return '<0.1 %';
  if (percent < 100 && percent > 99.9) return '>99.9 %';
  return `${percent.toFixed(percent < 10 && percent !== 0 ? 1 : 0)} %`;
}

/**
 * The places after the point that tell instants apart which lie `step` ns apart.
 * @param {number} step
 * @returns {number}
 */
export function decimalsFor(step) {
  return Math.max(0, Math.min(9, Math.ceil(-Math.log10(step / NS_PER_S) - 1e-9)));
}

/**
 * An instant in seconds since the start, precise enough for the step.
 * @param {number} ns
 * @param {number} step
 * @returns {string}
 */
export function formatInstant(ns, step) {
  return `${(ns / NS_PER_S).toFixed(decimalsFor(step))} s`;
}

/**
 * Round positions for an axis, at most `limit`, as multiples of 1, 2 or 5.
 * @param {number} from
 * @param {number} to
 * @param {number} limit
 * @returns {{step: number, at: number[]}}
 */
export function axisTicks(from, to, limit) {
  const rough = Math.max((to - from) / Math.max(1, limit), 1e-3);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9)) ?? 10);
  const at = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i += 1) at.push(i * step);
  return { step, at };
}

/**
 * The text, its middle left out where it is longer than `limit`.
 * @param {string} text
 * @param {number} limit
 * @returns {string}
 */
export function elide(text, limit) {
  const characters = Array.from(text);
  if (characters.length <= limit) return text;
  const head = Math.ceil((limit - 1) * 0.6);
  return `${characters.slice(0, head).join('')}…${characters.slice(characters.length - (limit - 1 - head)).join('')}`;
}

/** A function's name, and where it is defined, in parentheses; empty where that is not said. @param {string} name @returns {[string, string]} */
export function splitPlace(name) {
  const cut = name.indexOf(' (');
  return cut > 0 ? [name.slice(0, cut), name.slice(cut + 1)] : [name, ''];
}

/**
 * A place in its parentheses, at most `limit` long: file and line stay, the folders furthest out go first.
 * @param {string} place
 * @param {number} limit
 * @returns {string}
 */
export function shortPlace(place, limit) {
  if (place.length <= limit || !place.endsWith(')')) return elide(place, limit);
  const parts = place.slice(1, -1).split('/');
  const tail = parts.map((_, i) => parts.slice(i).join('/')).find((one) => one.length + 4 <= limit);
  return tail ? `(…/${tail})` : `(${elide(parts.at(-1), limit - 2)})`;
}

/** A function's name without where it is defined. @param {string} name @returns {string} */
export function shortFunction(name) { return splitPlace(name)[0]; }

/** Text for a plotly label, in which plotly would read tags. @param {string} text @returns {string} */
export function plotlyText(text) {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');
}

/**
 * One field of a CSV line; what a spreadsheet would run as a formula is kept text.
 * @param {string | number} value
 * @returns {string}
 */
export function csvField(value) {
  if (typeof value === 'number') return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}

/** Lines of CSV. @param {(string | number)[][]} rows @returns {string} */
export function csvText(rows) {
  return rows.map((row) => row.map(csvField).join(',')).join('\r\n') + '\r\n';
}
