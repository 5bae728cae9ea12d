// Who waits for whose end. Pure functions.

/** @typedef {{lane: number, joined: number, from: number, to: number, outcome: string}} Join */

/**
 * The join a thread is in at an instant.
 * @param {Join[]} joins
 * @param {number} lane
 * @param {number} time ns
 * @returns {Join | null}
 */
export function joinAt(joins, lane, time) {
  return joins.find((join) => join.lane === lane && join.from <= time && time < join.to) ?? null;
}

/**
 * The joins that a thread's end let go on.
 * @param {Join[]} joins
 * @param {number} lane
 * @returns {Join[]}
 */
export function joinsEndedBy(joins, lane) { return joins.filter((join) => join.joined === lane && join.outcome === 'ended'); }

/**
 * What a join waits for, in words.
 * @param {Join} join
 * @param {object[]} threads
 * @returns {string}
 */
export function joinWords(join, threads) {
  const whose = `the end of ${threads[join.joined].name}`;
  return join.outcome === 'ended' ? whose : `${whose}, but ${join.outcome === 'timed out' ? 'its time ran out' : 'it was interrupted'}`;
}
