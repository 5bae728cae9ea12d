// What the page's tables are called, what they say of themselves, and their columns. Data only.

import { formatDuration } from './format.js';

/** @typedef {Omit<import('./tableview.js').TableOptions, 'file' | 'onRow'>} Options */

/**
 * The tables by name.
 * @param {object} config
 * @param {object[]} seen the states that occur in the run
 * @returns {Record<string, Options>}
 */
export function tableOptions(config, seen) {
  const labels = Object.fromEntries(config.states.map((state) => [state.id, state.label]));
  const step = Math.max(1, config.duration / 1e4);
  const every = config.switchInterval ? ` (${formatDuration(config.switchInterval)})` : '';
  const options = { threads: threadOptions(seen, step), waits: waitOptions(labels), locks: lockOptions(step, config.columns.lockPlaces.some(Boolean)), blame: BLAME, holds: holdOptions(every, step), wakeups: wakeupOptions(step), standing: STANDING };
  if (!config.endsIn) return options;
  return { ...options, locks: withColumn(options.locks, WENT_ON_TO), blame: withColumn(BLAME, ENDED_IN), holds: withColumn(options.holds, ENDED_IN) };
}

/** Without calls, all that is known of a hold is where it ended. */
const ENDED_IN = { key: 'function', label: 'Which ended in', type: 'text', title: 'where the thread stood when it let go of the GIL; no calls were recorded' };

const WENT_ON_TO = { key: 'wakerIn', label: 'Which went on to', type: 'text', title: 'where that thread stood when it let go of the GIL next; no calls were recorded' };

function withColumn(options, column) {
  return { ...options, columns: options.columns.map((own) => (own.key === column.key ? column : own)) };
}

const THREAD = { key: 'thread', label: 'Thread', type: 'text' };
const SPAN = [
  { key: 'total', label: 'Total', type: 'duration' },
  { key: 'count', label: 'Count', type: 'count' },
  { key: 'longest', label: 'Longest', type: 'duration' },
];

function threadOptions(seen, step) {
  return {
    title: 'Threads',
    sort: 'lifetime',
    empty: 'No thread lived in this range.',
    how: [
      'One row a thread; the states of a row add up to its lifetime.',
      'Click a heading to sort, a name to find the thread in the timeline.',
    ],
    columns: [
      THREAD,
      { key: 'lifetime', label: 'Lifetime', type: 'duration', title: 'from start to end, within the range' },
      ...seen.map((state) => ({ key: state.id, label: state.label, type: 'duration', title: state.meaning })),
      { key: 'target', label: 'Runs', type: 'text' },
      { key: 'parent', label: 'Started by', type: 'text' },
      { key: 'start', label: 'Started at', type: 'instant', step },
      { key: 'tid', label: 'Native id', type: 'id' },
    ],
  };
}

function waitOptions(labels) {
  return {
    title: 'What each thread waited for',
    sort: 'total',
    empty: 'Nothing waited in this range.',
    how: [
      'Every wait, by thread, kind and the function it happened in.',
      'A long total with a small longest wait means many short waits: look at the count.',
    ],
    columns: [
      THREAD,
      { key: 'state', label: 'State', type: 'state', labels },
      ...SPAN,
      { key: 'reason', label: 'Reason', type: 'text' },
      { key: 'function', label: 'In call', type: 'text' },
      { key: 'caller', label: 'Called by', type: 'text' },
    ],
  };
}

function lockOptions(step, placed) {
  const named = placed ? 'A lock is named by its address, and by where it was created.' : 'A lock is named by its address: where it was created is not known.';
  return {
    title: 'Locks and queues',
    sort: 'total',
    empty: 'No wait for a lock is known in this range.',
    how: [
      `What threads waited for each other with. ${named} Who let a lock go had held it.`,
      'Hold the one at the top for less, or guard less with it. Without recorded calls a short wait for a queue or condition shows as one for the lock inside it.',
    ],
    columns: [
      { key: 'lock', label: 'Waited for', type: 'text' },
      ...SPAN,
      { key: 'threads', label: 'Threads', type: 'count' },
      ...(placed ? [{ key: 'created', label: 'Created in', type: 'text' }] : []),
      { key: 'place', label: 'Mostly in', type: 'text' },
      { key: 'waker', label: 'Mostly let go by', type: 'text' },
      { key: 'wakerIn', label: 'Which was in', type: 'text' },
      { key: 'first', label: 'First at', type: 'instant', step },
    ],
  };
}

const STANDING = {
  title: 'Locks at the end',
  sort: 'thread',
  empty: 'No thread waited for a lock when the program was asked to end.',
  how: ['What each thread waited for, and had, when the program was asked to end. Who waits for each other in a circle never goes on.'],
  columns: [
    THREAD,
    { key: 'role', label: 'Does', type: 'text' },
    { key: 'lock', label: 'Lock', type: 'text' },
    { key: 'kind', label: 'Kind', type: 'text' },
    { key: 'where', label: 'Where', type: 'text' },
    { key: 'holder', label: 'Which has', type: 'text' },
    { key: 'evidence', label: 'Known', type: 'text' },
  ],
};

const BLAME = {
  title: 'Who held the GIL meanwhile',
  sort: 'total',
  empty: 'No wait for the GIL is known in this range.',
  how: [
    'While the thread on the left waited for the GIL, who had it, and in which function.',
    'Where one function has most of the time, it is the one to make shorter, or to move out of the GIL.',
  ],
  columns: [
    { key: 'thread', label: 'Waiting', type: 'text' },
    ...SPAN,
    { key: 'holder', label: 'Held by', type: 'text' },
    { key: 'function', label: 'Holder’s function', type: 'text' },
  ],
};

function holdOptions(every, step) {
  return {
    title: 'Longest holds of the GIL',
    sort: 'total',
    empty: 'No hold of the GIL is known in this range.',
    how: [
      `A hold lasts until the thread lets the GIL go. Others may ask for it after a switch interval${every}.`,
      'A hold far longer than that, while others wait, is a call that does not release the GIL.',
    ],
    columns: [
      THREAD,
      { key: 'total', label: 'Held', type: 'duration' },
      { key: 'at', label: 'From', type: 'instant', step },
      { key: 'function', label: 'Mostly in', type: 'text' },
      { key: 'note', label: 'Note', type: 'text' },
    ],
  };
}

function wakeupOptions(step) {
  return {
    title: 'Wake-up latency',
    sort: 'p99',
    empty: 'No wake-up is known in this range.',
    how: [
      'Once what a thread waited for was there for it, how long until the thread had it and went on.',
      'Microseconds are normal; milliseconds mean that no core was free for it, or that others were quicker to take the GIL.',
    ],
    columns: [
      { key: 'cause', label: 'Waited for', type: 'text' },
      { key: 'count', label: 'Wake-ups', type: 'count' },
      { key: 'p50', label: 'Median', type: 'duration', title: 'half of the wake-ups took no longer' },
      { key: 'p99', label: '99 %', type: 'duration', title: '99 of 100 wake-ups took no longer' },
      { key: 'max', label: 'Longest', type: 'duration' },
      { key: 'thread', label: 'Longest of', type: 'text' },
      { key: 'at', label: 'At', type: 'instant', step },
    ],
  };
}
