// Between questions: own score, own rank, and a hairpin that opens as the next question comes closer.

import { el, say } from "/shared/dom.js";

import { hairpin } from "./hairpin.js";
import { rank } from "./score.js";

const LONG_MS = 300_000;
const NARROW = 0.35;

export function waitingView(phone) {
  const { language } = phone;
  const { words } = language;
  const pin = hairpin();
  const time = el("p", { class: "time", role: "timer", "aria-live": "off" });
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
      const left_ms = now && now.next_at !== null && !over ? now.next_at - phone.clock.now() : null;
      say(when, over ? "" : whenWords(left_ms, words));
      say(time, left_ms > 0 ? language.time(left_ms) : "");
      pin.set(0, left_ms === null ? NARROW : 1 - (1 - NARROW) * Math.min(1, Math.max(0, left_ms) / LONG_MS));
      pin.element.classList.toggle("breathing", !(left_ms > 0));
      if (now) card.update();
    },
  };
}

function whenWords(left_ms, words) {
  if (left_ms === null) return words.nextSoon;
  return left_ms > 0 ? words.nextIn : words.anyMoment;
}

/** `{element, update()}`; `clock` false where the next opening stands elsewhere on the page. */
export function scorecard(phone, clock = true) {
  const { words } = phone.language;
  const score = el("p", { class: "score" });
  const place = el("p", { class: "place" });
  const next = el("p", { class: "next" });
  const thanks = el("p", { class: "over" });
  const winners = el("ol", { class: "winners" });
  const heading = el("h2", {}, words.winners);
  const element = el("div", { class: "card scorecard" }, thanks, score, place, next, heading, winners);
  let listed = "";

  return {
    element,
    update() {
      const { now, language } = phone;
      const over = now.state === "over";
      const own = phone.score();
      say(score, own.of ? words.score(language.number(own.right), language.number(own.of), own.right) : "");
      say(place, placeWords(phone, own));
      say(thanks, over ? `${words.over}. ${words.overThanks}` : "");
      say(next, clock && !over ? nextWords(phone) : "");
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

function nextWords({ now, clock, language }) {
  const { words } = language;
  if (now.next_at === null) return "";
  const left_ms = now.next_at - clock.now();
  return left_ms > 0 ? `${words.nextIn} ${language.time(left_ms)}` : words.anyMoment;
}
