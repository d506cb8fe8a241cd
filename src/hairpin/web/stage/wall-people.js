// The end of the night: the leaderboard, and the winner's name.

import { el } from "/shared/dom.js";
import { grouped } from "/stage-language.js";

const ROWS_MAX = 10;
const OVERLAY_ROWS_MAX = 5;
const FAN_DIGITS = 5;

/** A name where the producer approved one, else the fan's number. */
export function called(language, leader) {
  return leader.name ?? language.say("fan", { n: String(leader.fan).padStart(FAN_DIGITS, "0") });
}

export class LeadersScene {
  #by;
  #language;
  #rows_max;

  constructor(by, language, overlay) {
    this.#by = by;
    this.#language = language;
    this.#rows_max = overlay ? OVERLAY_ROWS_MAX : ROWS_MAX;
  }

  show({ show, order, tally }) {
    const language = this.#language;
    const leaders = tally.leaders.slice(0, this.#rows_max);
    this.#by("leaders-title").textContent = language.say("top", { n: leaders.length });
    this.#by("leaders-fans").textContent = language.count("fans", tally.fans);
    this.#by("leaders-heads").replaceChildren(...["rank", "who", "country", "right", "time"].map((key) =>
      el("th", { scope: "col", class: key }, language.say(key))));
    this.#by("leaders-rows").replaceChildren(...leaders.map((leader) => this.#row(leader, show.questions)));
    this.#by("leaders-more").textContent = this.#more(leaders, tally);
    // The hash that seals the journal as of the last result.
    this.#by("leaders-head").textContent = order.told ? language.say("head", { head: grouped(order.told.head) }) : "";
  }

  #row(leader, all) {
    const language = this.#language;
    return el("tr", { "data-rank": leader.rank },
      el("td", { class: "rank" }, language.number(leader.rank)),
      el("th", { scope: "row", class: leader.name === null ? "who" : "who named" }, called(language, leader)),
      el("td", { class: "country" }, language.country(leader.country)),
      el("td", { class: "right" }, language.say("of", { right: leader.right, all })),
      el("td", { class: "time" }, language.say("seconds", { s: language.seconds(leader.total_ms) })),
    );
  }

  // Fans who share the last rank that is shown, but found no room.
  #more(leaders, tally) {
    if (leaders.length === 0) return "";
    const { rank, tied } = leaders[leaders.length - 1];
    const left = tied - leaders.filter((leader) => leader.rank === rank).length;
    return left > 0 ? this.#language.count("and_more", left, { rank: this.#language.number(rank) }) : "";
  }
}

export class WinnerScene {
  #by;
  #language;

  constructor(by, language) {
    this.#by = by;
    this.#language = language;
  }

  show({ show, order, tally }) {
    const language = this.#language;
    const names = [...order.winners].sort((one, other) => one.rank - other.rank);
    const first = names.filter((winner) => winner.rank === 1);
    const name = first.map((winner) => winner.name).join(" & ");
    this.#by("winner-name").textContent = name;
    this.#by("winner-name").dataset.long = String(name.length > 16);
    this.#by("winner-rank").textContent = language.say("winner", { fans: language.number(tally?.fans ?? 0) });
    const leader = tally?.leaders.find((one) => one.fan === first[0].fan);
    this.#by("winner-line").textContent = leader ? language.say("winner_line", {
      country: language.country(leader.country), right: leader.right, all: show.questions,
      time: language.say("seconds", { s: language.seconds(leader.total_ms) }),
    }) : "";
    this.#by("winner-others").replaceChildren(...names.filter((winner) => winner.rank > 1).map((winner) =>
      el("li", {}, el("span", {}, language.number(winner.rank)), winner.name)));
  }
}
