// Own score and own rank, computed here: nobody asks the server about one fan.

/** Is the bit mask `choice` a right answer to `{right, multiple}`? The same rule as the tally's. */
export function isRight({ right, multiple }, choice) {
  return multiple ? choice === right : (choice & right) !== 0;
}

/**
 * `{right, of, total_ms, counted}` over all revealed questions that have a right answer.
 * `answerOf(question)` gives the own answer or null; the gate counts no time below `floor_ms`.
 */
export function score(past, answerOf, floor_ms) {
  const sum = { right: 0, of: 0, total_ms: 0, counted: 0 };
  for (const question of past) {
    if (question.state !== "revealed" || question.poll) continue;
    sum.of += 1;
    const answer = answerOf(question);
    if (answer?.state !== "counted") continue;
    sum.counted += 1;
    if (!isRight(question, answer.choice)) continue;
    sum.right += 1;
    sum.total_ms += Math.max(answer.elapsed, floor_ms);
  }
  return sum;
}

/** Own rank from the histogram of /ranks; null where it does not know such a score yet. */
export function rank({ rows }, { right, total_ms }) {
  const own = rows.find((row) => row.right === right);
  if (!own?.fans) return null;
  const ahead = rows.reduce((sum, row) => sum + (row.right > right ? row.fans : 0), 0);
  return 1 + ahead + Math.round(faster(own.total_ms, total_ms) * (own.fans - 1));
}

// The share of a row that is faster, between even quantiles.
function faster(quantiles, total_ms) {
  const steps = quantiles.length - 1;
  if (steps < 1 || total_ms <= quantiles[0]) return 0;
  const above = quantiles.findIndex((quantile) => quantile > total_ms);
  if (above < 0) return 1;
  const low = quantiles[above - 1];
  return (above - 1 + (total_ms - low) / (quantiles[above] - low)) / steps;
}

/** The fan's number: the first 4 bytes of the ticket, little-endian. */
export function fanOf(ticket) {
  const bytes = atob(ticket.slice(0, 8).replaceAll("-", "+").replaceAll("_", "/"));
  return new DataView(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)).buffer).getUint32(0, true);
}
