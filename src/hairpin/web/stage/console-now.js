// The question on show: its state in large type, its time, its counts.

import { el } from "/shared/dom.js";
import { bits, letter } from "/stage-language.js";
import { Hairpin } from "/wall-hairpin.js";
import { spanOf } from "/wall-rates.js";

const HAIRPIN = { width: 900, height: 120, left: 4, right: 896 };
const HEADS = ["choice", "answers", "share"];

export class NowPart {
  #by;
  #language;
  #hairpin;
  #drawn = null;

  constructor(by, language) {
    this.#by = by;
    this.#language = language;
    this.#hairpin = new Hairpin(by("hairpin"));
    this.#hairpin.resize(HAIRPIN);
  }

  show(model) {
    const cue = model.current;
    this.#write("now-state", this.#state(cue));
    this.#by("now-state").dataset.state = cue?.state ?? "waiting";
    this.#language.put(this.#by("now-text"), cue?.text ?? model.show.title);
    this.#by("hairpin").parentElement.hidden = cue === null;
    this.#by("choices").hidden = cue === null;
    if (cue?.index !== this.#drawn) this.#hairpin.clear();
    this.#drawn = cue?.index;
    const counts = cue ? model.counts(cue.index) : null;
    if (cue) this.#choices(cue, counts);
    this.#by("now-status").textContent = counts ? this.#status(counts, cue) : "";
  }

  tick(model, now_ms) {
    this.#write("now-time", this.#time(model, now_ms));
    if (model.current?.opened_at) this.#draw(model, model.current, now_ms);
  }

  // Only a change is written: the state is read out when it changes.
  #write(id, words) {
    if (this.#by(id).textContent !== words) this.#by(id).textContent = words;
  }

  #state(cue) {
    if (cue === null) return this.#language.say("before");
    const state = this.#language.say(`state_${cue.state}`);
    return this.#language.say("question_state", { n: cue.index + 1, state });
  }

  #time(model, now_ms) {
    const language = this.#language;
    const cue = model.current;
    const { next_at, state } = model.order;
    const left = (at) => ({ time: language.clock(at - now_ms) });
    if (state === "over") return language.say("over");
    if (cue?.state === "open") {
      return cue.closes_at === null ? language.say("by_hand") : language.say("closes_in", left(cue.closes_at));
    }
    if (next_at !== null) return language.say("next_in", left(next_at));
    return language.say(model.cue("waiting") ? "next_hand" : "none_left");
  }

  #choices(cue, counts) {
    const heads = HEADS.map((key) => el("th", { scope: "col" }, this.#language.say(key)));
    this.#by("choices-heads").replaceChildren(...heads);
    this.#by("choices-rows").replaceChildren(...cue.choices.map((choice, index) => {
      const votes = counts?.by_choice === null ? null : counts?.by_choice?.[index] ?? 0;
      return this.#choice(choice, index, bits(cue.right).includes(index), votes, counts?.answers ?? 0);
    }));
  }

  #choice(choice, index, right, votes, answers) {
    const language = this.#language;
    const words = el("span");
    language.put(words, choice.text);
    const bar = el("i");
    bar.style.inlineSize = `${answers > 0 ? ((100 * votes) / answers).toFixed(3) : 0}%`;
    const tick = right ? el("span", { class: "tick" }, ` ✓ ${language.say("right_answer")}`) : null;
    return el("tr", { class: right ? "right" : null },
      el("th", { scope: "row" }, `${letter(index)} `, words, tick),
      el("td", {}, votes === null ? language.say("nothing") : language.number(votes)),
      el("td", {}, votes === null ? "" : language.share(votes, answers), el("span", { class: "track", "aria-hidden": "true" }, bar)));
  }

  #status(counts, cue) {
    const language = this.#language;
    const words = [language.say("answers_total", { n: language.number(counts.answers) })];
    if (cue.right !== 0) words.push(language.say("right_total", { share: language.share(counts.right, counts.answers) }));
    const [status, engine] = counts.status.split(": ");
    words.push(language.say(`status_${status}`, { engine }));
    if (engine && counts.reason) words.push(counts.reason);
    if (counts.version > 1) words.push(`${language.say("version", { n: counts.version })}: ${counts.reason}`);
    const missing = cue.state !== "open" && counts.missing.length > 0;
    if (missing) words.push(language.say("missing", { n: counts.missing.join(", ") }));
    return words.join(" · ");
  }

  #draw(model, cue, now_ms) {
    const open = cue.state === "open";
    const points = model.tally?.question?.index === cue.index ? model.tally.rate_history ?? [] : [];
    const elapsed_ms = Math.max(0, now_ms - cue.opened_at);
    const span_ms = spanOf(cue.opened_at, cue.closes_at, open ? elapsed_ms : points.at(-1)?.[0] ?? 0);
    this.#hairpin.draw({ points, span_ms, closed: !open, elapsed_ms: open ? elapsed_ms : span_ms });
    const rate = this.#language.number(Math.round(this.#hairpin.peak.rate));
    this.#by("hairpin").setAttribute("aria-label", this.#language.say("hairpin", { peak: rate }));
  }
}
