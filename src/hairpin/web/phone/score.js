// Own score and own rank, computed here, since nobody asks the server about one fan; and what shows
// them between the questions, with a hairpin that opens as the next question comes closer.

import { el, say } from "/shared/dom.js";

import { hairpin } from "./hairpin.js";

const LONG_MS = 300_000;
const NARROW = 0.35;

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

export function waitingView(phone) {
  const { language } = phone;
  const { words } = language;
  const pin = hairpin();
  const time = el("p", { class: "time", role: "timer" });
  const when = el("p", { class: "lead" });
  const card = scorecard(phone, false);
  pin.inside.append(time);
  const title = el("h1", { tabindex: "-1" });
  const element = el(
    "section",
    { class: "view waiting" },
    title,
    when,
    pin.element,
    el("p", { class: "soft" }, words.keepOpen),
    card.element,
  );

  return {
    element,
    update() {
      const { now } = phone;
      const over = now?.state === "over";
      say(title, over ? words.over : words.ready);
      const next = nextOpening(phone);
      say(when, over ? "" : next.words);
      say(time, over ? "" : next.time);
      pin.set(0, 1 - (1 - NARROW) * Math.min(1, next.left_ms / LONG_MS));
      pin.element.classList.toggle("breathing", !next.time);
      if (now) card.update();
    },
  };
}

function nextOpening({ now, clock, language }) {
  const { words } = language;
  const left_ms = Math.max(0, (now?.next_at ?? Infinity) - clock.now());
  if (left_ms === Infinity) return { words: words.nextSoon, time: "", left_ms };
  return left_ms ? { words: words.nextIn, time: language.time(left_ms), left_ms } : { words: words.anyMoment, time: "", left_ms };
}

/** `{element, update()}`; `clock` false where the next opening stands elsewhere on the page. */
export function scorecard(phone, clock = true) {
  const { words } = phone.language;
  const sum = el("p", { class: "score" });
  const place = el("p", { class: "place" });
  const next = el("p", { class: "next" });
  const thanks = el("p", { class: "over" });
  const winners = el("ol", { class: "winners" });
  const heading = el("h2", {}, words.winners);
  const element = el("div", { class: "card scorecard" }, thanks, sum, place, next, heading, winners);
  let listed = "";

  return {
    element,
    update() {
      const { now, language } = phone;
      const over = now.state === "over";
      const own = phone.score();
      say(sum, own.of ? words.score(language.number(own.right), language.number(own.of), own.right) : "");
      say(place, placeWords(phone, own));
      say(thanks, over ? `${words.over}. ${words.overThanks}` : "");
      const opening = nextOpening(phone);
      say(next, clock && !over ? `${opening.words} ${opening.time}` : "");
      const names = JSON.stringify(now.winners);
      heading.hidden = winners.hidden = !now.winners.length;
      if (names !== listed) {
        winners.replaceChildren(...now.winners.map((one) => el("li", { value: one.rank }, el("bdi", {}, one.name))));
        listed = names;
      }
      element.hidden = ![...element.children].some((child) => !child.hidden && child.textContent);
    },
  };
}

function placeWords({ ranks, language }, own) {
  const place = ranks && own.counted ? rank(ranks, own) : null;
  if (place === null) return "";
  return language.words.rank(language.number(place), language.number(ranks.fans), place);
}
