// How long threads took to go on once they could. Pure functions.

/**
 * @typedef {object} Latency of the wake-ups of one cause
 * @property {number} cause @property {number} count
 * @property {number} p50 ns @property {number} p99 ns @property {number} max ns
 * @property {number} lane whose took longest @property {number} at ns, when that was
 */

/**
 * The latencies of the wake-ups within a range, one entry a cause that occurs.
 * @param {import('./store.js').Wakeups} wakeups
 * @param {import('./view.js').Range} range
 * @param {number} causes how many there are
 * @returns {Latency[]}
 */
export function latenciesWithin(wakeups, range, causes) {
  const inside = (n) => wakeups.time[n] >= range.from && wakeups.time[n] <= range.to;
  const counts = new Uint32Array(causes);
  for (let n = 0; n < wakeups.time.length; n += 1) if (inside(n)) counts[wakeups.cause[n]] += 1;
  const found = Array.from(counts, (count) => ({ values: new Float64Array(count), longest: -1 }));
  counts.fill(0);
  for (let n = 0; n < wakeups.time.length; n += 1) {
    if (!inside(n)) continue;
    const cause = wakeups.cause[n];
    const one = found[cause];
    one.values[counts[cause]] = wakeups.latency[n];
    counts[cause] += 1;
    if (one.longest < 0 || wakeups.latency[n] > wakeups.latency[one.longest]) one.longest = n;
  }
  return found.map(({ values, longest }, cause) => ({ cause, values: values.sort(), longest })).filter(({ values }) => values.length)
    .map(({ cause, values, longest }) => ({
      cause, count: values.length, p50: quantile(values, 0.5), p99: quantile(values, 0.99), max: values[values.length - 1],
      lane: wakeups.lane[longest], at: wakeups.time[longest],
    }));
}

/**
 * A quantile between the two values nearest to it, as numpy's default.
 * @param {Float64Array} values ascending, at least one
 * @param {number} share
 * @returns {number}
 */
export function quantile(values, share) {
  const place = share * (values.length - 1);
  const low = Math.floor(place);
  const high = Math.min(low + 1, values.length - 1);
  return values[low] + (values[high] - values[low]) * (place - low);
}
