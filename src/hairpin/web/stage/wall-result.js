// A revealed result: share right, the world, ages, the best country.

import { el } from "/shared/dom.js";
import { WorldMap, mapTable, scaleEnds } from "/wall-map.js";

export class ResultPart {
  #by;
  #language;
  #map;

  constructor(by, language) {
    this.#by = by;
    this.#language = language;
    this.#map = new WorldMap(by("map"));
  }

  show({ show, order }, counts) {
    const poll = order.question.poll;
    this.#share(counts, poll);
    this.#best(poll ? null : counts.best_country);
    this.#world(counts, poll);
    this.#ages(show.age_bands, counts.by_age_band, poll, counts.answers);
  }

  #share(counts, poll) {
    const [strong, words, small] = this.#by("share").children;
    const language = this.#language;
    strong.textContent = poll ? language.number(counts.answers) : language.share(counts.right, counts.answers);
    words.textContent = language.say(poll ? "answered" : "answered_right");
    small.textContent = poll ? "" : language.say("right_of", {
      right: language.number(counts.right), answers: language.number(counts.answers),
    });
  }

  #best(best) {
    this.#by("best").hidden = !best;
    if (!best) return;
    const [head, name, small] = this.#by("best").children;
    head.textContent = this.#language.say("best_country");
    name.textContent = this.#language.country(best.country);
    small.textContent = this.#language.say("best_line", {
      share: this.#language.share(best.right, best.answers), answers: this.#language.number(best.answers),
    });
  }

  #world(counts, poll) {
    const language = this.#language;
    const rows = countryRows(counts.by_country ?? {}, poll);
    const ends = poll ? [0, 1] : scaleEnds(rows);
    const best = poll ? null : counts.best_country;
    const named = best && `${language.country(best.country)} ${language.share(best.right, best.answers)}`;
    this.#map.show(rows, ends, best && { code: best.country, label: named });
    const most = Math.max(1, ...rows.map((row) => row.answers));
    const written = (value) => (poll ? language.number(Math.round(value * value * most)) : language.share(value, 1));
    const title = language.say(poll ? "map_answers" : "map_right");
    this.#legend(title, ends.map(written), poll);
    this.#inWords(title, rows, written, poll);
  }

  // The map for those who do not see it: a summary as its name, every number in a table.
  #inWords(title, rows, written, poll) {
    const language = this.#language;
    const sorted = [...rows].sort((one, other) => other.value - one.value || other.answers - one.answers);
    const some = (part) => part.map((row) => `${language.country(row.code)} ${written(row.value)}`).join(", ");
    this.#by("map").setAttribute("aria-label", rows.length === 0 ? `${title}: ${language.say("map_none")}`
      : language.say("map_summary", {
        title, countries: rows.length, most: some(sorted.slice(0, 3)), least: some(sorted.slice(-3)),
      }));
    const heads = poll ? ["country", "answers_head"] : ["country", "share_right", "answers_head"];
    const cells = sorted.map((row) => {
      const answers = language.number(row.answers);
      return [language.country(row.code), ...(poll ? [answers] : [written(row.value), answers])];
    });
    this.#by("map-table").replaceChildren(mapTable(heads.map((key) => language.say(key)), cells));
  }

  #legend(title, [low, high], poll) {
    const [from, , until, name] = this.#by("legend").children;
    from.textContent = poll ? low : `≤ ${low}`;
    until.textContent = poll ? high : `≥ ${high}`;
    name.textContent = title;
  }

  #ages(bands, cells, poll, answers) {
    const [head, list] = this.#by("ages").children;
    head.textContent = this.#language.say("by_age");
    list.replaceChildren(...bands.map((band, index) => {
      const { answers: of, right } = cells?.[index] ?? { answers: null, right: null };
      const [part, whole] = poll ? [of, answers] : [right, of];
      return this.#age(band, part, whole);
    }));
  }

  #age(band, part, whole) {
    const known = part !== null && whole !== null;
    const bar = el("i", { class: "bar" });
    bar.style.inlineSize = known && whole > 0 ? `${((100 * part) / whole).toFixed(3)}%` : "0%";
    return el("li", {},
      el("span", { class: "band" }, this.#language.text(band)),
      el("strong", {}, known ? this.#language.share(part, whole) : this.#language.say("too_few")),
      el("span", { class: "track", "aria-hidden": "true" }, bar));
  }
}

// A poll knows no right: it shows who took part, by square root so that small countries show.
function countryRows(by_country, poll) {
  const cells = Object.entries(by_country).filter(([code, cell]) => code !== "ZZ" && cell.answers > 0);
  const most = Math.max(1, ...cells.map(([, cell]) => cell.answers));
  return cells.map(([code, { answers, right }]) => ({
    code, answers, weight: answers, value: poll ? Math.sqrt(answers / most) : (right ?? 0) / answers,
  }));
}
