// What the wall shows, decided from the three events alone; so a reload shows the same picture.

export const RESULT_STAYS_MS = 15_000; // the last result, before the leaderboard takes its place
export const LEADERS_STAY_MS = 15_000; // the leaderboard, before the winner's name does

/**
 * "none" (nothing known yet), "waiting", "open", "closed", "revealed", "void", "leaders" or
 * "winner". `revealed_ms`: when this screen saw the last question end, null if it came later; then
 * it goes straight to where the night is.
 */
export function sceneOf(order, tally, revealed_ms, now_ms) {
  if (!order) return "none";
  if (order.state !== "over") return order.state;
  const since_ms = revealed_ms === null ? Infinity : now_ms - revealed_ms;
  const leaders = tally?.leaders?.length > 0;
  if (since_ms < RESULT_STAYS_MS) return lastState(order);
  const won = order.winners.some((winner) => winner.rank === 1);
  if (won && (since_ms >= RESULT_STAYS_MS + LEADERS_STAY_MS || !leaders)) return "winner";
  return leaders ? "leaders" : lastState(order);
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

/** Remembers in this tab, over a reload, when the last question ended before its eyes. */
export function rememberEnd(storage, before, order, now_ms) {
  if (before && before.state !== "over" && order.state === "over") storage.setItem(endKey(order), String(now_ms));
}

/** What `rememberEnd` remembered, else null. */
export function rememberedEnd(storage, order) {
  const known = order ? storage.getItem(endKey(order)) : null;
  return known === null ? null : Number(known);
}

function endKey(order) {
  return `hairpin end of ${order.show}`;
}
