// Sorting and filtering of tables that stand in the page.

/** How two cells compare: numbers as numbers and before text, what is empty last. */
export function compareKeys(a, b) {
  const numbers = typeof a === 'number' && typeof b === 'number';
  if (numbers) return a - b;
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  if (typeof a === 'number') return -1;
  if (typeof b === 'number') return 1;
  return a.localeCompare(b, 'en', { numeric: true });
}

/** What a row is sorted by: the number of its cell, else its text, null for a dash. */
function keyOf(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.key !== undefined) return Number(cell.dataset.key);
  const text = cell.firstChild?.textContent ?? '';
  return text === '–' || text === '' ? null : text;
}

function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const up = heads[column].getAttribute('aria-sort') !== 'ascending';
  heads.forEach((head) => head.removeAttribute('aria-sort'));
  heads[column].setAttribute('aria-sort', up ? 'ascending' : 'descending');
  const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column), row]);
  const sign = (a, b) => (up || a === null || b === null ? 1 : -1);
  rows.sort(([a], [b]) => sign(a, b) * compareKeys(a, b));
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

/** Whether a row's text has every word. @param {string} text @param {string} words @returns {boolean} */
export function hasWords(text, words) {
  const all = text.toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

function filter(section) {
  const words = section.querySelector('.grid-filter')?.value ?? '';
  const differing = section.querySelector('.grid-differs')?.checked ?? false;
  const rows = [...section.querySelector('.grid').tBodies[0].rows];
  for (const row of rows) row.hidden = (differing && !row.classList.contains('differs')) || !hasWords(row.textContent, words);
  const shown = rows.filter((row) => !row.hidden).length;
  section.querySelector('.table-note').textContent = shown < rows.length ? `${shown} of ${rows.length} rows match.` : '';
}

/** Makes a table of the page one that can be sorted and filtered. @param {HTMLElement} section */
export function connectGrid(section) {
  const table = section.querySelector('.grid');
  table.querySelectorAll('.sort').forEach((button, column) => button.addEventListener('click', () => sortBy(table, column)));
  section.querySelector('.grid-filter')?.addEventListener('input', () => filter(section));
  section.querySelector('.grid-differs')?.addEventListener('change', () => filter(section));
  section.querySelector('.grid-details')?.addEventListener('change', (event) => table.classList.toggle('with-details', event.target.checked));
}
