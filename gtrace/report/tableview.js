// A table a reader can sort, search, page through and save as CSV.

import { csvText, elide, formatCount, formatDuration, formatInstant, formatPercent, shortPlace, splitPlace } from './format.js';
import { csvRows, filterRows, sortRows } from './tables.js';

/** Rows shown before "show all". */
const FIRST_ROWS = 15;
const MANY_ROWS = 2000;
const MISSING = '–';
/** The most characters of a text, and of a name and its place where it has both. */
const LONG_TEXT = 72;
const LONG_NAME = 48;
const LONG_PLACE = 42;

/**
 * @typedef {object} TableOptions
 * @property {string} title
 * @property {string[]} how lines that say how to read it
 * @property {string} empty what stands there without rows
 * @property {import('./tables.js').Column[]} columns
 * @property {string} sort key of the column sorted by first
 * @property {string} file name of the CSV file
 * @property {(row: object) => void} onRow when the first cell of a row is clicked
 */

/** @param {HTMLElement} place @param {TableOptions} options */
export function createTable(place, options) {
  const self = { place, options, rows: [], key: options.sort, direction: -1, words: '', limit: FIRST_ROWS };
  const head = make('div', 'section-head');
  const title = make('h2', '', options.title);
  title.id = `${place.id}-title`;
  const tools = make('div', 'tools');
  const search = make('input', '');
  search.type = 'search';
  search.placeholder = 'Filter rows';
  search.setAttribute('aria-label', `Filter rows of ${options.title}`);
  search.addEventListener('input', () => { self.words = search.value; paint(self); });
  const save = make('button', 'quiet', 'CSV');
  save.type = 'button';
  save.title = 'Save these rows as a CSV file';
  save.addEventListener('click', () => saveCsv(self));
  tools.append(search, save);
  head.append(title, tools);
  const how = make('p', 'how');
  options.how.forEach((line, i) => { if (i) how.append(make('br')); how.append(line); });
  self.hint = make('p', 'table-note scroll-hint', 'Scroll the table sideways to see all of its columns →');
  self.hint.hidden = true;
  self.region = make('div', 'scroll-x');
  self.region.tabIndex = 0;
  self.region.setAttribute('role', 'region');
  self.region.setAttribute('aria-labelledby', title.id);
  self.note = make('p', 'table-note');
  self.sizes = new ResizeObserver(() => { self.hint.hidden = self.region.scrollWidth <= self.region.clientWidth; });
  place.replaceChildren(head, how, self.hint, self.region, self.note);
  return self;
}

/** @param {string} tag @param {string} [name] class @param {string} [text] */
export function make(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

/** Shows other rows in the order chosen before. */
export function setRows(self, rows) {
  self.rows = rows;
  paint(self);
}

function chosenRows(self) { return sortRows(filterRows(self.rows, self.words), self.key, self.direction); }

function paint(self) {
  const rows = chosenRows(self);
  self.sizes.disconnect();
  self.sizes.observe(self.region);
  if (!self.rows.length) {
    self.region.replaceChildren(make('p', 'empty', self.options.empty));
    self.note.replaceChildren();
    return;
  }
  const focused = self.region.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  const table = make('table');
  table.append(headOf(self), bodyOf(self, rows.slice(0, self.limit)));
  self.region.replaceChildren(table);
  self.sizes.observe(table);
  if (focused) table.querySelector(`button[data-key="${focused}"]`)?.focus();
  noteOf(self, rows.length);
}

function headOf(self) {
  const head = make('thead');
  const line = make('tr');
  for (const column of self.options.columns) {
    const cell = make('th', isNumber(column) ? 'number' : '');
    cell.scope = 'col';
    const sorted = column.key === self.key;
    if (sorted) cell.setAttribute('aria-sort', self.direction > 0 ? 'ascending' : 'descending');
    const button = make('button', 'sort', column.label);
    button.type = 'button';
    button.dataset.key = column.key;
    if (column.title) button.title = column.title;
    cell.addEventListener('click', () => {
      self.direction = sorted ? -self.direction : isNumber(column) ? -1 : 1;
      self.key = column.key;
      paint(self);
    });
    cell.append(button);
    line.append(cell);
  }
  head.append(line);
  return head;
}

function isNumber(column) { return column.type !== 'text' && column.type !== 'state'; }

function bodyOf(self, rows) {
  const body = make('tbody');
  for (const row of rows) {
    const line = make('tr');
    self.options.columns.forEach((column, i) => line.append(cellOf(self, column, row, i === 0)));
    body.append(line);
  }
  return body;
}

function cellOf(self, column, row, first) {
  const cell = make(first ? 'th' : 'td', isNumber(column) ? 'number' : '');
  if (first) cell.scope = 'row'; else cell.dataset.column = column.label;
  const value = row[column.key];
  const text = cellText(column, value);
  if (column.type === 'state') {
    cell.classList.add('state-cell');
    cell.append(make('span', `swatch ${value}`), column.labels[value]);
  } else if (first && self.options.onRow) {
    const button = make('button', 'link');
    button.type = 'button';
    button.append(...wordsOf(text));
    button.addEventListener('click', () => self.options.onRow(row));
    cell.append(button);
  } else if (column.type === 'text') cell.append(...wordsOf(text));
  else cell.textContent = text;
  if (cell.textContent !== text && column.type !== 'state') cell.title = text;
  if (value === 0 && column.type === 'duration') cell.classList.add('zero');
  if (text === MISSING) cell.classList.add('missing');
  return cell;
}

/** A text, shortened, that may break where a reader expects it: a function before its place, a path after a slash. */
function wordsOf(text) {
  const [name, place] = splitPlace(text);
  if (!place) return breakable(elide(name, LONG_TEXT));
  const where = make('span', 'place');
  const shown = shortPlace(place, LONG_PLACE);
  where.append(...(shown.includes('/') ? breakable(shown) : [shown]));
  return [...breakable(elide(name, LONG_NAME)), ' ', where];
}

/** After a dot, slash, underscore or before a capital; never within "…/", a leading underscore, or what names a line. */
const BREAKS = /(?<=[./]|[a-zA-Z\d]_|[a-z](?=[A-Z]))(?<!…\/)(?!\w+:\d)/;

function breakable(text) { return text.split(BREAKS).flatMap((part, i) => (i ? [make('wbr'), part] : [part])); }

/**
 * A value as its column shows it.
 * @param {import('./tables.js').Column} column
 * @param {string | number | null} value
 * @returns {string}
 */
export function cellText(column, value) {
  if (value === null || value === undefined || value === '') return MISSING;
  if (column.type === 'duration') return formatDuration(Number(value));
  if (column.type === 'instant') return formatInstant(Number(value), column.step ?? 1e5);
  if (column.type === 'count') return formatCount(Number(value));
  if (column.type === 'percent') return formatPercent(Number(value));
  return String(value);
}

function noteOf(self, count) {
  const words = [];
  if (count < self.rows.length) words.push(`${formatCount(count)} of ${formatCount(self.rows.length)} rows match. `);
  if (count > self.limit) words.push(`${formatCount(self.limit)} of ${formatCount(count)} rows shown. `);
  self.note.replaceChildren(...words);
  if (count <= self.limit) return;
  const more = make('button', 'link', count > MANY_ROWS ? `Show ${formatCount(MANY_ROWS)}` : 'Show all');
  more.type = 'button';
  more.addEventListener('click', () => { self.limit = MANY_ROWS; paint(self); });
  if (self.limit < MANY_ROWS) self.note.append(more);
}

function saveCsv(self) {
  const text = csvText(csvRows(self.options.columns, chosenRows(self)));
  const link = make('a');
  link.href = URL.createObjectURL(new Blob(['\ufeff', text], { type: 'text/csv' }));
  link.download = `${self.options.file}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
