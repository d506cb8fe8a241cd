// From counts to answers a second: what the hairpin is drawn from. Pure, no page in it.

export const BINS = 160; // across the whole time of a question
const SMOOTH_SHARE = 0.012; // standard deviation of the smoothing, of the whole time
const LATE_BINS = 6;
const BY_HAND_MS = 30_000; // a question without an end shows at least this much time

/** The time that the drawing shows, in ms. */
export function spanOf(opened_at, closes_at, reached_ms) {
  if (closes_at !== null) return Math.max(1, closes_at - opened_at);
  return Math.max(BY_HAND_MS, reached_ms * 1.15);
}

/**
 * Answers a second in each bin, smoothed. `points`: [[ms since opening, answers until then], ...].
 *
 * Bins after `elapsed_ms` are 0. At the head of an open question the last rate is held; a closed
 * one fades to nothing at both ends, as the sign does.
 */
export function rates(points, span_ms, elapsed_ms, closed, bins = BINS) {
  const bin_ms = span_ms / bins;
  const last = Math.min(bins, Math.max(0, Math.ceil(elapsed_ms / bin_ms)));
  const known_ms = points.length > 0 ? points[points.length - 1][0] : 0;
  const raw = [];
  for (let bin = 0; bin < last; bin += 1) {
    const from = bin * bin_ms;
    const until = Math.min(from + bin_ms, known_ms);
    const reported = closed || until - from >= bin_ms / 2;
    raw.push(reported ? rateBetween(points, from, until) : held(raw));
  }
  const future = new Array(bins - last).fill(0);
  return [...smooth(raw, bins * SMOOTH_SHARE, closed), ...future];
}

/** The moment of most answers a second: {at_ms, rate}. */
export function peak(heights, span_ms) {
  const rate = Math.max(0, ...heights);
  return { at_ms: ((heights.indexOf(rate) + 0.5) * span_ms) / heights.length, rate };
}

function rateBetween(points, from, until) {
  const answers = answersAt(points, until) - answersAt(points, from);
  return Math.max(0, (answers * 1000) / Math.max(1, until - from));
}

// What is not reported yet continues as it was of late.
function held(raw) {
  const late = raw.slice(-LATE_BINS);
  return late.reduce((sum, rate) => sum + rate, 0) / Math.max(1, late.length);
}

function answersAt(points, ms) {
  let before = [0, 0];
  for (const point of points) {
    if (point[0] >= ms) {
      const gap = point[0] - before[0];
      return gap > 0 ? before[1] + ((point[1] - before[1]) * (ms - before[0])) / gap : point[1];
    }
    before = point;
  }
  return before[1];
}

// A Gaussian; silence lies before the beginning, and after the end if that was the end.
function smooth(values, deviation, closed) {
  const reach = Math.ceil(deviation * 3);
  return values.map((_, at) => {
    let sum = 0;
    let weight = 0;
    for (let step = -reach; step <= reach; step += 1) {
      const share = Math.exp(-(step * step) / (2 * deviation * deviation));
      const index = at + step;
      weight += share;
      if (index >= values.length) sum += closed ? 0 : share * values[values.length - 1];
      else if (index >= 0) sum += share * values[index];
    }
    return sum / weight;
  });
}
