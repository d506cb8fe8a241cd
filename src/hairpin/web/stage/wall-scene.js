// What the wall shows, decided from the three events alone; so a reload shows the same picture.

export const RESULT_STAYS_MS = 15_000; // the last result, before the leaderboard takes its place

/**
 * "none" (nothing known yet), "waiting", "open", "closed", "revealed", "void", "leaders" or
 * "winner". `revealed_ms`: when this screen first saw the last result, null if it does not know.
 */
export function sceneOf(order, tally, revealed_ms, now_ms) {
  if (!order) return "none";
  if (order.winners?.some((winner) => winner.rank === 1)) return "winner";
  if (order.state !== "over") return order.state;
  const announced = Boolean(order.contenders);
  const seen = revealed_ms !== null && now_ms - revealed_ms < RESULT_STAYS_MS;
  if (order.question && (seen && !announced)) return lastState(order);
  return tally?.leaders?.length > 0 ? "leaders" : lastState(order);
}

function lastState(order) {
  if (!order.question) return "waiting";
  return order.past.find((past) => past.index === order.question.index)?.state ?? "revealed";
}

/** The counts of the question on show; null until a tally knows it. */
export function countsOf(order, tally) {
  if (!order?.question || !tally) return null;
  if (tally.question?.index === order.question.index) return tally.question;
  return tally.questions.find((counts) => counts.index === order.question.index) ?? null;
}

/** The last question's answers a second give the next one's hairpin its measure. */
export function expectedRate(order, tally) {
  const { index, opened_at, closes_at } = order.question;
  const before = tally?.questions.filter((counts) => counts.index < index && counts.answers > 0) ?? [];
  if (before.length === 0 || !closes_at) return 0;
  return (1.8 * before[before.length - 1].answers * 1000) / Math.max(1000, closes_at - opened_at);
}

/** Where one remembers, for this tab, when the last result was first seen. */
export function revealedSince(storage, order, now_ms) {
  if (order?.state !== "over" || !order.question) return null;
  const key = `revealed ${order.show} ${order.question.index}`;
  const known = storage.getItem(key);
  if (known === null) storage.setItem(key, String(now_ms));
  return known === null ? now_ms : Number(known);
}
