// Answers questions about a packed timeline with the page's own functions: JSON in, JSON out.

import { STATES, SUMS, addLaneCells, buildSums, kindTotals, laneTotals } from './aggregate.js';
import { blameGroups, blameWithin, waitingOf } from './blame.js';
import { heldCells, heldIntervals, heldSums, holdsWithin } from './gil.js';
import { poolCells } from './groups.js';
import { lockRows } from './locks.js';
import { decodeStore, intervalAt } from './store.js';
import { waitRows } from './tables.js';
import { latenciesWithin } from './wakeups.js';

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const asked = JSON.parse(Buffer.concat(chunks).toString());
const store = await decodeStore(asked.header, asked.blob);
const sums = buildSums(store);
const held = heldIntervals(store);
held.sums = heldSums(store, held);
const names = asked.names;
const told = waitingOf(store, names);
const pooled = waitingOf(store, names, 0);
const alone = waitingOf(store, names, Infinity);

function pool(from, to) {
  const cells = new Float64Array(asked.cells * SUMS);
  const lanes = Array.from({ length: store.lanes }, (_, lane) => lane);
  poolCells(store, sums, lanes, { from, to, cells: asked.cells }, cells);
  return Array.from({ length: asked.cells }, (_, c) => Array.from(cells.subarray(c * SUMS, c * SUMS + STATES)));
}

const answers = asked.ranges.map(([from, to]) => {
  const cells = new Float64Array(asked.cells * SUMS);
  const columns = [];
  for (let lane = 0; lane < store.lanes; lane += 1) {
    addLaneCells(store, sums, lane, { from, to, cells: asked.cells }, cells.fill(0));
    columns.push(Array.from({ length: asked.cells }, (_, c) => Array.from(cells.subarray(c * SUMS, c * SUMS + STATES))));
  }
  const waits = waitRows(store, kindTotals(store, from, to), { names, states: asked.states, waits: asked.waits });
  const { longest, lengths, ...holds } = holdsWithin(held, from, to, 5);
  return {
    totals: Array.from({ length: store.lanes }, (_, lane) => Array.from(laneTotals(store, sums, lane, from, to))),
    cells: columns, waits, holds, longest, lengths: Array.from(lengths), blame: blameWithin(store, held, told, { from, to }, names, Infinity),
    shown: blameWithin(store, held, told, { from, to }, names),
    strip: Array.from(heldCells(store, held, { from, to, cells: asked.cells })),
    grouped: blameGroups(store, held, pooled, { from, to }), each: blameGroups(store, held, alone, { from, to }),
    pool: pool(from, to), locks: lockRows(store, { from, to }, names), latencies: latenciesWithin(store.wakeups, { from, to }, 2),
    first: Array.from({ length: store.lanes }, (_, lane) => intervalAt(store, lane, from)),
  };
});
process.stdout.write(JSON.stringify(answers));
