// The page's pure functions, one claim a test.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { groupNames } from './blame.js';
import { foldRows, nativePools, peakAlive, poolsOf } from './groups.js';
import { barsOf, decadesFor, logBins, stateFigure, utilisationFigure } from './charts.js';
import { inkOn, labelOf, mix, onStripe, paintCells, pixelOf, rgbOf } from './draw.js';
import { edgeOf, findWords, nextMatch } from './find.js';
import { axisTicks, csvField, csvText, decimalsFor, elide, formatCount, formatDuration, formatInstant, formatPercent, plotlyText, shortFunction, shortPlace, splitPlace } from './format.js';
import { SUMS } from './aggregate.js';
import { cellText } from './tableview.js';
import { csvRows, filterRows, holdRows, isPython, sortRows, threadRows } from './tables.js';
import { joinAt, joinWords } from './joins.js';
import { laneOrder, rowFor } from './lanes.js';
import { arrowsOf } from './marks.js';
import { spreadCells } from './strips.js';
import { MOVES, showAll, zoom } from './navigate.js';
import { clampView, formatHash, panBy, parseHash, withMargin, zoomAt } from './view.js';

test('durations have three digits and the unit that suits', () => {
  const cases = [[0, '0'], [20, '20 ns'], [999, '999 ns'], [1500, '1.50 µs'], [12_345_678, '12.3 ms'], [999_400_000, '999 ms'], [999_999_999, '1.00 s'], [1.2344e9, '1.23 s'], [12_345.6e9, '12,346 s']];
  for (const [ns, text] of cases) assert.equal(formatDuration(ns), text);
});

test('a small share never reads as none, nor a large one as all', () => {
  assert.deepEqual([0, 0.0004, 0.0123, 0.5, 0.9999, 1, NaN].map(formatPercent), ['0 %', '<0.1 %', '1.2 %', '50 %', '>99.9 %', '100 %', '–']);
});

test('axis ticks are round, within the view, and not too many', () => {
  for (const [from, to] of [[0, 1], [0, 4.1e9], [3.2174e9, 3.2175e9], [5, 205], [0, 9e12]]) {
    const { step, at } = axisTicks(from, to, 10);
    assert.ok(at.length >= 2 && at.length <= 12, `${from} ${to} ${at.length}`);
    assert.ok(at.every((tick) => tick >= from - step * 1e-6 && tick <= to + step * 1e-6));
    assert.match((step / 10 ** Math.floor(Math.log10(step) + 1e-9)).toFixed(3), /^[125]\.000$/);
  }
});

test('instants that differ by a step look different', () => {
  assert.equal(decimalsFor(1e9), 0);
  assert.equal(decimalsFor(5e7), 2);
  assert.notEqual(formatInstant(3_217_400_000, 1e5), formatInstant(3_217_500_000, 1e5));
});

test('long text keeps its ends, characters stay whole', () => {
  assert.equal(elide('short', 10), 'short');
  assert.equal(elide('abcdefghijklmnopqrstuvwxyz', 11), 'abcdef…wxyz');
  assert.equal(Array.from(elide('🐍'.repeat(50), 9)).length, 9);
});

test('a function and its place are told apart', () => {
  assert.deepEqual(splitPlace('Pool.run.<locals>.f (app/row (2).py:3)'), ['Pool.run.<locals>.f', '(app/row (2).py:3)']);
  assert.deepEqual(splitPlace('parse (app/row.py:3)'), ['parse', '(app/row.py:3)']);
  assert.deepEqual(splitPlace('time.sleep'), ['time.sleep', '']);
});

test('a place that is too long loses the folders furthest out, never its brackets, file and line', () => {
  assert.equal(shortPlace('(app/row.py:3)', 20), '(app/row.py:3)');
  assert.equal(shortPlace('(python3.11/multiprocessing/pool.py:527)', 34), '(…/multiprocessing/pool.py:527)');
  assert.equal(shortPlace('(python3.11/multiprocessing/pool.py:527)', 30), '(…/pool.py:527)');
  assert.equal(shortPlace(`(app/${'x'.repeat(50)}.py:3)`, 20), `(${'x'.repeat(11)}…x.py:3)`);
  assert.equal(shortPlace(`(${'é'.repeat(50)}`, 11).length, 11);
});

test('undo leads back through the moves, and what moves nothing is none', () => {
  let told = 0;
  const mover = { view: { from: 0, to: 1000 }, whole: { from: 0, to: 1000 }, history: [], moved: () => { told += 1; } };
  showAll(mover);
  assert.equal(told, 0);
  zoom(mover, 0.5);
  MOVES.d(mover);
  assert.deepEqual(mover.view, { from: 350, to: 850 });
  MOVES.u(mover);
  assert.deepEqual(mover.view, { from: 250, to: 750 });
  MOVES.u(mover);
  MOVES.u(mover);
  assert.deepEqual([mover.view, mover.history.length, told], [{ from: 0, to: 1000 }, 0, 4]);
});

test('a function loses its place, not its name', () => {
  assert.equal(shortFunction('parse (app/row.py:3)'), 'parse');
  assert.equal(shortFunction('time.sleep'), 'time.sleep');
});

test('plotly sees no tag in a name', () => {
  assert.equal(plotlyText('<b>&"x</b>'), '&lt;b&gt;&amp;&quot;x&lt;/b&gt;');
});

test('a spreadsheet opens a name as text', () => {
  assert.equal(csvField('=1+1'), "'=1+1");
  assert.equal(csvField('a,"b"\n'), '"a,""b""\n"');
  assert.equal(csvField(-1.5), '-1.5');
  assert.equal(csvText([['a', 1], ['b', 2]]), 'a,1\r\nb,2\r\n');
});

test('counts have their thousands apart', () => {
  assert.deepEqual([0, 999, 1000, 1234567].map(formatCount), ['0', '999', '1,000', '1,234,567']);
});

const run = (duration) => ({ from: 0, to: duration });

test('a view stays within the run and never gets too narrow', () => {
  assert.deepEqual(clampView({ from: -50, to: 50 }, run(1000)), { from: 0, to: 200 });
  assert.deepEqual(clampView({ from: 900, to: 1400 }, run(1000)), { from: 500, to: 1000 });
  assert.deepEqual(clampView({ from: 0, to: 99 }, run(50)), { from: 0, to: 50 });
});

test('a page that holds a part of a run shows that part only', () => {
  const part = { from: 5000, to: 6000 };
  assert.deepEqual(clampView({ from: 0, to: 10_000 }, part), part);
  assert.deepEqual(clampView({ from: 4900, to: 5300 }, part), { from: 5000, to: 5400 });
  assert.deepEqual(panBy({ from: 5200, to: 5700 }, 9, part), { from: 5500, to: 6000 });
  assert.deepEqual(zoomAt(part, 5500, 3, part), part);
});

test('the overview of a run keeps its shares at any width', () => {
  const cells = spreadCells({ cells: [[1, 2], [3, 4]] }, 4);
  assert.deepEqual([0, 1, 2, 3].map((i) => [cells[i * SUMS], cells[i * SUMS + 1]]), [[1, 3], [1, 3], [2, 4], [2, 4]]);
  assert.equal(spreadCells({ cells: [[1, 2, 6]] }, 1)[0], 3);
});

test('the instant under the pointer stays put while zooming', () => {
  const view = zoomAt({ from: 2000, to: 6000 }, 3000, 0.5, run(10_000));
  assert.deepEqual(view, { from: 2500, to: 4500 });
  assert.equal((3000 - view.from) / (view.to - view.from), 0.25);
  assert.deepEqual(zoomAt({ from: 0, to: 10_000 }, 3000, 2, run(10_000)), { from: 0, to: 10_000 });
});

test('panning moves by shares of the view and stops at the ends', () => {
  assert.deepEqual(panBy({ from: 2000, to: 4000 }, 0.5, run(10_000)), { from: 3000, to: 5000 });
  assert.deepEqual(panBy({ from: 2000, to: 4000 }, -5, run(10_000)), { from: 0, to: 2000 });
  assert.deepEqual(withMargin({ from: 2000, to: 4000 }, run(10_000)), { from: 1900, to: 4100 });
});

test('the address says the same after writing and reading it', () => {
  const place = { view: { from: 5, to: 900 }, selection: { from: 10, to: 20 }, hidden: ['sleep', 'unknown'], lane: 'w&=#1' };
  assert.deepEqual(parseHash(formatHash(place)), place);
  assert.equal(formatHash({ view: null, selection: null, hidden: [], lane: '' }), '');
});

test('an address that makes no sense says nothing', () => {
  assert.deepEqual(parseHash('#t=9-3&s=x&hide=&<script>'), { view: null, selection: null, hidden: [], lane: '' });
});

const ROWS = [{ n: 'w10', x: 2 }, { n: 'w9', x: null }, { n: 'w1', x: 7 }];

test('rows sort by number, by name as people count, and what is missing comes last', () => {
  const names = (key, direction) => sortRows(ROWS, key, direction).map((row) => row.n);
  assert.deepEqual(names('x', 1), ['w10', 'w1', 'w9']);
  assert.deepEqual(names('x', -1), ['w1', 'w10', 'w9']);
  assert.deepEqual(names('n', 1), ['w1', 'w9', 'w10']);
  assert.deepEqual(ROWS.map((row) => row.n), ['w10', 'w9', 'w1']);
});

test('a filter looks at text only', () => {
  assert.deepEqual(filterRows(ROWS, ' W1 ').map((row) => row.n), ['w10', 'w1']);
  assert.equal(filterRows(ROWS, '').length, 3);
});

test('CSV holds seconds as numbers', () => {
  const columns = [{ key: 'n', type: 'text' }, { key: 'x', type: 'duration' }];
  assert.deepEqual(csvRows(columns, ROWS), [['n', 'x_s'], ['w10', 2e-9], ['w9', ''], ['w1', 7e-9]]);
});

const THREADS = [
  { name: 'main', tid: 1, start: 0, end: 100, ended: false, target: '' },
  { name: 'w2', tid: 2, start: 10, end: 20, ended: true, target: 'f' },
  { name: 'w10', tid: 3, start: 50, end: 100, ended: false, target: 'f' },
];
const totalsOf = (...pairs) => { const t = new Float64Array(SUMS); for (const [s, ns] of pairs) t[s] = ns; return t; };
const TOTALS = [totalsOf([0, 40], [2, 60]), totalsOf([5, 10]), totalsOf([1, 50])];
const IDS = ['running', 'native', 'gil_wait', 'lock_wait', 'io_wait', 'sleep', 'blocked', 'stalled', 'preempted', 'unknown'];

test('threads that did not live in the range are left out', () => {
  const rows = threadRows(THREADS, TOTALS, IDS, { from: 30, to: 60 });
  assert.deepEqual(rows.map((row) => [row.thread, row.lifetime]), [['main', 30], ['w10', 10]]);
});

test('lanes come in the order asked for', () => {
  const order = (by) => laneOrder(by, THREADS, TOTALS, IDS);
  assert.deepEqual(order('start'), [0, 1, 2]);
  assert.deepEqual(order('run'), [2, 0, 1]);
  assert.deepEqual(order('gil_wait'), [0, 1, 2]);
  assert.deepEqual(order('wait'), [0, 1, 2]);
  assert.deepEqual(order('name'), [0, 1, 2]);
});

test('many lanes are lower than few', () => {
  assert.ok(rowFor(4).height > rowFor(40).height && rowFor(40).height > rowFor(400).height);
});

const CONFIG = { cores: 2, threads: THREADS, states: IDS.map((id) => ({ id, label: id })) };
const THEME = { ink: '#000000', muted: '#555555', rule: '#eeeeee', page: '#ffffff', states: IDS.map(() => '#123456') };

test('bars show every state that occurs, and names as text', () => {
  const hostile = { ...CONFIG, threads: [{ ...THREADS[0], name: '<img src=x>' }, ...THREADS.slice(1)] };
  const { data, layout } = stateFigure(hostile, TOTALS, { order: [0, 1, 2], hidden: new Set([5]), width: 900 }, THEME);
  assert.deepEqual(data.map((trace) => [trace.name, trace.visible]), [['running', true], ['native', true], ['gil_wait', true], ['sleep', false]]);
  assert.ok(!JSON.stringify({ data, layout }).includes('<img'));
});

test('too many threads share bars: by pool, and what is left in one', () => {
  const totals = Array.from({ length: 100 }, (_, i) => totalsOf([0, i + 1]));
  const all = totals.map((_, i) => i);
  const pooled = barsOf(totals.map((_, i) => (i ? `w${i}` : 'main')), totals, all);
  assert.deepEqual(pooled.map((bar) => [bar.label, bar.totals[0], bar.threads]), [['main', 1, 1], ['w* (99)', 5049, 99]]);
  const left = barsOf(totals.map((_, i) => String.fromCharCode(500 + i)), totals, all);
  assert.equal(left.length, 40);
  assert.equal(left.reduce((sum, bar) => sum + bar.threads, 0), 100);
  assert.equal(left.reduce((sum, bar) => sum + bar.totals[0], 0), 5050);
  assert.equal(left.at(-1).label, '61 more threads');
  assert.equal(barsOf(['a', 'b1', 'b2'], totals, [0, 1, 2]).length, 3);
});

test('the peak is the most threads alive at once', () => {
  const thread = (start, end) => ({ start, end });
  assert.equal(peakAlive([thread(0, 10), thread(2, 4), thread(4, 6), thread(5, 9)]), 3);
  assert.equal(peakAlive([]), 1);
});

test('threads over time add up to those alive', () => {
  const slices = new Float64Array(2 * SUMS);
  slices[0] = 10; slices[2] = 20; slices[SUMS] = 10;
  const { data } = utilisationFigure(CONFIG, slices, { range: { from: 0, to: 20 }, hidden: new Set() }, THEME);
  assert.deepEqual(data.map((trace) => trace.y), [[1, 1], [2, 0]]);
});

test('bins of a histogram hold every value', () => {
  const bins = logBins(Float64Array.from([1, 99, 100, 101, 5e6, 5e6]), 4);
  assert.equal(bins.reduce((sum, bin) => sum + bin.count, 0), 6);
  assert.ok(bins.some((bin) => bin.from <= 5e6 && bin.to > 5e6 && bin.count === 2));
});

test('a narrow axis names fewer decades, and its title takes two lines', () => {
  const bins = [{ from: 50, to: 100 }, { from: 1e7, to: 5e7 }];
  assert.deepEqual(decadesFor(bins, 1200), [2, 3, 4, 5, 6, 7, 8, 9, 10]);
  assert.deepEqual(decadesFor(bins, 260), [2, 4, 6, 8, 10]);
  assert.deepEqual(decadesFor(bins, 150), [3, 6, 9]);
  const totals = Array.from({ length: 100 }, () => totalsOf([0, 2e9]));
  const many = { ...CONFIG, threads: totals.map((_, i) => ({ ...THREADS[0], name: `w${i}` })) };
  const layoutOf = (width) => stateFigure(many, totals, { order: totals.map((_, i) => i), hidden: new Set(), left: 92, width }, THEME).layout;
  assert.equal(layoutOf(1200).xaxis.title.text, 'seconds, summed over the threads of a bar');
  assert.equal(layoutOf(358).xaxis.title.text, 'seconds,<br>summed over the threads of a bar');
  assert.equal(layoutOf(358).height - layoutOf(358).margin.b, layoutOf(1200).height - layoutOf(1200).margin.b);
});

test('a cell is painted by share, from the bottom', () => {
  const pixels = new Uint32Array(10);
  const paint = { rgba: Uint32Array.from(IDS, (_, s) => s + 1), stripe: Uint32Array.from(IDS, () => 99) };
  const cells = totalsOf([0, 30], [2, 50]);
  paintCells(pixels, { width: 1, height: 10, top: 0 }, cells, { cellNs: 100, hidden: new Set(), striped: new Uint8Array(10), paint });
  assert.deepEqual([...pixels], [0, 0, 3, 3, 3, 3, 3, 1, 1, 1]);
});

test('a hidden state leaves its room empty', () => {
  const pixels = new Uint32Array(4);
  const paint = { rgba: Uint32Array.from(IDS, (_, s) => s + 1), stripe: Uint32Array.from(IDS, () => 99) };
  paintCells(pixels, { width: 1, height: 4, top: 0 }, totalsOf([0, 50], [2, 50]), { cellNs: 100, hidden: new Set([0]), striped: new Uint8Array(10), paint });
  assert.deepEqual([...pixels], [3, 3, 0, 0]);
});

test('colours', () => {
  assert.deepEqual(rgbOf('#0a0b0c'), [10, 11, 12]);
  assert.equal(pixelOf([1, 2, 3]), 0xff030201);
  assert.deepEqual(mix([0, 0, 0], [100, 200, 50], 0.5), [50, 100, 25]);
  assert.equal(inkOn('#ffffff'), '#111418');
  assert.equal(inkOn('#3b35b0'), '#ffffff');
});

test('threads of a pool are one group, threads named one by one are not', () => {
  assert.deepEqual(groupNames(['MainThread', 'worker-1', 'worker-22', 'pool-1_3']), ['MainThread', 'worker-*', 'worker-*', 'pool-*_*']);
  assert.deepEqual(new Set(groupNames(Array.from({ length: 99 }, (_, i) => String.fromCharCode(200 + i)))), new Set(['any thread']));
});

test('a long hold is named for what it is: a C call, a thread that blocks, one that lost its core', () => {
  const store = { functions: ['f (a.py:3)', 'zlib.compress', ''], kinds: { fn: [0, 1, 1, 1], state: [0, 0, 7, 8] } };
  const hold = (kind, ns) => ({ lane: 0, kind, start: 0, ns });
  const note = (kind, ns) => holdRows({ longest: [hold(kind, ns)] }, store, { names: ['main'], switchInterval: 5e6 })[0].note;
  assert.equal(note(1, 6e6), '');
  assert.equal(note(1, 60e6), 'does not release the GIL');
  assert.equal(note(2, 60e6), 'blocks while it keeps the GIL');
  assert.equal(note(3, 60e6), 'lost its core while it had the GIL');
  assert.match(note(0, 60e6), /nobody else asked/);
  assert.ok(isPython('f (a.py:3)') && !isPython('time.sleep'));
});

test('derived and inferred are striped, exact is not', () => {
  const share = (evidence) => { let n = 0; for (let x = 0; x < 12; x += 1) for (let y = 0; y < 12; y += 1) n += onStripe(x, y, evidence); return n / 144; };
  assert.equal(share(0), 0);
  assert.ok(share(1) > 0 && share(1) < share(2));
});

test('a pool takes the place of its threads until it is opened', () => {
  const names = ['main', 'w-1', 'io', 'w-2', 'w-3'];
  const pools = poolsOf([0, 1, 2, 3, 4], names);
  assert.deepEqual(pools, [{ name: 'w-*', lanes: [1, 3, 4] }]);
  const shown = (open) => foldRows([0, 1, 2, 3, 4], pools, new Set(open)).map((row) => row.pool?.name ?? row.lane);
  assert.deepEqual(shown([]), [0, 'w-*', 2]);
  assert.deepEqual(shown(['w-*']), [0, 'w-*', 1, 3, 4, 2]);
});

test('a wait is labelled with what it is for: one for the GIL with who has it, not with the call it comes from', () => {
  const kinds = { state: [2, 3, 0, 5], reason: [1, 2, 0, 0], fn: [0, 0, 0, 0] };
  const store = { kind: [0, 0, 1, 2, 3], blocker: [1, -1, 1, -1, -1], kinds, reasons: ['', 'gil', 'queue'], functions: ['time.sleep'] };
  const labels = [0, 1, 2, 3, 4].map((i) => labelOf({ store, names: ['a', 'b'] }, i));
  assert.deepEqual(labels, ['for b', 'for the GIL', 'queue', 'time.sleep', 'time.sleep']);
});

const FOUND_IN = {
  lanes: 3, from: [0, 3, 5, 6], bounds: [0, 10, 20, 30, 0, 20, 50, 0, 40], kind: [0, 1, 0, 2, 3, 4],
  kinds: { fn: [0, 1, 1, 0, 1], lane: [0, 0, 1, 1, 2] }, functions: ['Parse (a.py:1)', 'run (b.py:2)'],
};

test('a search finds the intervals of a function, one after another in time, round and round', () => {
  const found = findWords(FOUND_IN, 'parse');
  assert.deepEqual(found.intervals.map((own) => [...own]), [[0, 2], [4], []]);
  assert.equal(found.count, 3);
  const walk = (direction) => {
    let place = { time: 5, lane: 0 };
    return [1, 2, 3, 4].map(() => {
      const { lane, interval } = nextMatch(FOUND_IN, found, place, direction);
      place = { time: FOUND_IN.bounds[interval + lane], lane };
      return [lane, interval];
    });
  };
  assert.deepEqual(walk(1), [[0, 2], [1, 4], [0, 0], [0, 2]]);
  assert.deepEqual(walk(-1), [[0, 0], [1, 4], [0, 2], [0, 0]]);
  assert.deepEqual(nextMatch(FOUND_IN, found, { time: 20, lane: 1 }, -1), { lane: 0, interval: 2 });
});

test('a search begins at the edge of the view, or with what reaches into it', () => {
  const found = findWords(FOUND_IN, 'parse');
  assert.deepEqual(edgeOf(FOUND_IN, found, { from: 12, to: 40 }, 1), { time: 12, lane: -1 });
  assert.deepEqual(edgeOf(FOUND_IN, found, { from: 45, to: 50 }, 1), { time: 20, lane: -1 });
  assert.deepEqual(edgeOf(FOUND_IN, found, { from: 12, to: 40 }, -1), { time: 40, lane: -1 });
});

test('a missing value is a dash', () => {
  assert.deepEqual([null, '', 0].map((value) => cellText({ type: 'duration' }, value)), ['–', '–', '0']);
});

const JOINS = [
  { lane: 0, joined: 1, from: 5, to: 40, outcome: 'timed out' },
  { lane: 0, joined: 1, from: 50, to: 101, outcome: 'ended' },
];

test('a join is known by its thread and instant, and says how it came out', () => {
  assert.equal(joinAt(JOINS, 0, 40), null);
  assert.equal(joinAt(JOINS, 1, 60), null);
  assert.equal(joinWords(joinAt(JOINS, 0, 60), THREADS), 'the end of w2');
  assert.equal(joinWords(joinAt(JOINS, 0, 5), THREADS), 'the end of w2, but its time ran out');
});

test('an arrow leaves a joined thread where it ends, and a releaser where it lets go', () => {
  const store = { lanes: 2, from: [0, 2, 4], bounds: [0, 50, 101, 0, 60, 100], blocker: [-1, 1, 0, -1] };
  assert.deepEqual(arrowsOf(store, JOINS, 0, 1), [{ from: 1, fromNs: 100, to: 0, toNs: 101 }]);
  assert.deepEqual(arrowsOf(store, JOINS, 1, 2), [{ from: 0, fromNs: 60, to: 1, toNs: 60 }]);
  assert.deepEqual(arrowsOf(store, JOINS, 1, 3), [{ from: 1, fromNs: 100, to: 0, toNs: 101 }]);
  assert.deepEqual(arrowsOf(store, JOINS, 0, 0), []);
});

test('native threads are one pool and one bar, unless there is but one', () => {
  const threads = [{ native: false }, { native: true }, { native: true }, { native: false }];
  const pools = nativePools([0, 1, 2, 3], threads);
  assert.deepEqual(pools, [{ name: 'native threads', lanes: [1, 2] }]);
  assert.deepEqual(nativePools([0, 1, 3], threads), []);
  const more = [...threads, ...[4, 5].map(() => ({ native: true, started: true }))];
  assert.deepEqual(nativePools([5, 0, 2, 4], more).map((pool) => [pool.name, pool.lanes]), [['started processes', [5, 4]]]);
  const totals = [1, 2, 4, 8].map((ns) => totalsOf([1, ns]));
  assert.deepEqual(barsOf(['a', 'n1', 'n2', 'b'], totals, [0, 1, 2, 3], pools).map((bar) => [bar.label, bar.totals[1]]), [['a', 1], ['native threads (2)', 6], ['b', 8]]);
});
