// The question on show: what is asked, what is counted, and after the reveal the result.

import { el } from "/shared/dom.js";
import { bits, grouped, letter } from "/stage-language.js";
import { countsOf } from "/wall-scene.js";
import { fit } from "/wall-fit.js";
import { ResultPart } from "/wall-result.js";

export class QuestionScene {
  #by;
  #language;
  #result;
  #built = null;
  #fitted = "";
  #rows = [];
  #shown = 0;
  #target = 0;

  constructor(by, language) {
    this.#by = by;
    this.#language = language;
    this.#result = new ResultPart(by, language);
  }

  show(model, scene) {
    const { order, tally } = model;
    const asked = order.question;
    const counts = countsOf(order, tally);
    this.#build(asked);
    this.#bars(asked, counts, scene, order.result);
    this.#count(counts, tally, scene, order.result);
    this.#notes(counts, scene, order.result);
    this.#by("result").hidden = scene !== "revealed" || !counts;
    this.#by("ages").hidden = this.#by("result").hidden;
    if (scene === "revealed" && counts) this.#result.show(model, counts);
    this.#fit(scene, asked);
  }

  // Only when what is written changes: measuring costs a layout.
  #fit(scene, asked) {
    const written = [scene, asked.id, this.#by("explanation").textContent, this.#by("ages").hidden].join(" ");
    if (written === this.#fitted) return;
    this.#fitted = written;
    const end = fit(this.#by("question"), this.#by("wall"));
    this.#by("wall").style.setProperty("--content-end", `${end.toFixed(2)}rem`);
  }

  /** The live count climbs in small steps between two events. */
  tick() {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const gap = this.#target - this.#shown;
    this.#shown = still || gap < 8 ? this.#target : this.#shown + Math.ceil(gap * 0.45);
    this.#by("answers").textContent = this.#language.number(this.#shown);
  }

  // Text and choices are built once a question, so that their bars can grow.
  #build(asked) {
    const key = `${asked.id} ${this.#language.wanted[0]}`;
    if (this.#built === key) return;
    this.#built = key;
    this.#shown = this.#target = 0;
    const words = this.#language.put(this.#by("text"), asked.text);
    this.#by("text").dataset.size = words.length > 150 ? "small" : words.length > 70 ? "medium" : "large";
    const image = this.#by("image");
    image.hidden = !asked.image;
    if (asked.image) image.src = asked.image;
    this.#rows = asked.choices.map((choice, index) => this.#choice(choice, index));
    const longest = Math.max(...asked.choices.map((choice) => this.#language.text(choice.text).length));
    this.#by("choices").dataset.many = String(asked.choices.length > 5);
    this.#by("choices").dataset.columns = columns(asked.choices.length, longest);
    this.#by("choices").replaceChildren(...this.#rows.map((row) => row.item));
  }

  #choice(choice, index) {
    const said = el("span", { class: "said" });
    this.#language.put(said, choice.text);
    const row = {
      bar: el("i", { class: "bar" }),
      share: el("strong", { class: "share-of" }),
      votes: el("span", { class: "votes" }),
      right: el("span", { class: "tick" }),
    };
    row.item = el("li", { "data-choice": index },
      el("span", { class: "letter", "aria-hidden": "true" }, letter(index)),
      choice.image ? el("img", { src: choice.image, alt: "" }) : null,
      el("span", { class: "words" }, said, " ", row.right),
      el("span", { class: "track", "aria-hidden": "true" }, row.bar), row.share, row.votes);
    return row;
  }

  #bars(asked, counts, scene, result) {
    const shown = scene === "revealed" || scene === "void";
    const by_choice = shown ? counts?.by_choice ?? null : null;
    const right = scene === "revealed" && !asked.poll ? bits(result?.right ?? 0) : [];
    this.#rows.forEach((row, index) => {
      const votes = by_choice?.[index] ?? null;
      row.item.classList.toggle("right", right.includes(index));
      row.item.classList.toggle("wrong", right.length > 0 && !right.includes(index));
      row.right.textContent = right.includes(index) ? `✓ ${this.#language.say("right_answer")}` : "";
      const share = votes === null || !counts.answers ? 0 : votes / counts.answers;
      row.bar.style.inlineSize = `${(share * 100).toFixed(3)}%`;
      row.share.textContent = votes === null ? "" : this.#language.share(votes, counts.answers);
      row.votes.textContent = this.#votes(by_choice, votes);
    });
  }

  #votes(by_choice, votes) {
    if (by_choice === null) return "";
    return votes === null ? this.#language.say("too_few") : this.#language.number(votes);
  }

  #count(counts, tally, scene, result) {
    const answers = counts?.answers ?? 0;
    if (scene !== "open" || answers < this.#shown) this.#shown = answers;
    this.#target = answers;
    this.#by("answers").textContent = this.#language.number(this.#shown);
    this.#by("answers-word").textContent = this.#language.say(answers === 1 ? "answers_one" : "answers_other");
    const rate = Math.round(tally?.answers_per_s ?? 0);
    const pace = scene === "open" ? this.#language.say("a_second", { n: this.#language.number(rate) }) : "";
    // With a result, the hash that seals the journal it was counted from.
    const head = scene === "revealed" && result?.head ? this.#language.say("head", { head: grouped(result.head) }) : "";
    this.#by("rate").textContent = pace || head;
  }

  #notes(counts, scene, result) {
    const note = this.#by("explanation");
    let words = "";
    if (scene === "void") words = counts?.reason || this.#language.say("void_reason");
    if (scene === "revealed") words = this.#language.text(result?.explanation);
    const corrected = scene === "revealed" && counts?.version > 1 && counts.reason !== "";
    note.replaceChildren(words);
    if (corrected) {
      note.append(el("span", { class: "version" },
        this.#language.say("version", { version: counts.version, reason: counts.reason })));
    }
    note.hidden = words === "" && !corrected;
  }
}

function columns(choices, longest) {
  if (choices <= 4 && longest <= (choices === 4 ? 16 : 25)) return String(choices);
  if (choices > 4) return longest <= 16 ? "4" : "3";
  return longest <= 42 ? "2" : "1";
}
