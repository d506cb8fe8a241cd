// The dialog for void, correct and strike: a typed reason is the second step.

import { el } from "/shared/dom.js";
import { bits, letter } from "/stage-language.js";

export class AskDialog {
  #by;
  #language;
  #steps;
  #now = null;

  constructor(by, language, steps) {
    this.#by = by;
    this.#language = language;
    this.#steps = steps;
    by("ask-no").addEventListener("click", () => by("ask").close());
    by("ask-form").addEventListener("submit", (event) => this.#submit(event));
    by("ask").addEventListener("close", () => { this.#now = null; });
  }

  get open() {
    return this.#by("ask").open;
  }

  void(cue) {
    this.#show({ do: "void", question: cue.index }, "void", cue.index + 1, null);
  }

  correct(cue) {
    this.#show({ do: "correct", question: cue.index }, "correct", cue.index + 1, cue);
  }

  strike(fan) {
    this.#show({ do: "strike", fan }, "strike", fan, null);
  }

  #show(step, key, n, cue) {
    const say = (word) => this.#language.say(word, { n });
    this.#now = { step, label: say(`${key}_now`) };
    this.#by("ask-title").textContent = say(`ask_${key}`);
    this.#by("ask-yes").textContent = say(`${key}_now`);
    this.#by("ask-no").textContent = say("cancel");
    this.#by("ask-reason-title").textContent = say("reason");
    this.#by("ask-help").textContent = say("reason_help");
    this.#by("ask-right-title").textContent = say("right_choices");
    this.#by("ask-problem").textContent = "";
    this.#by("ask-reason").value = "";
    this.#by("ask-right").hidden = cue === null;
    const choices = cue ? cue.choices.map((choice, index) => this.#choice(cue, choice, index)) : [];
    this.#by("ask-choices").replaceChildren(...choices);
    this.#by("ask").showModal();
    (this.#by("ask-choices").querySelector("input") ?? this.#by("ask-reason")).focus();
  }

  // Several may be right even where fans pick one: then each of them counts.
  #choice(cue, choice, index) {
    const checked = bits(cue.right).includes(index);
    const box = el("input", { type: "checkbox", name: "right", value: index, checked });
    const words = el("span");
    this.#language.put(words, choice.text);
    return el("label", { class: "row" }, box, `${letter(index)} `, words);
  }

  #submit(event) {
    event.preventDefault();
    const reason = this.#by("ask-reason").value.trim();
    const boxes = [...this.#by("ask-choices").querySelectorAll("input")];
    const right = boxes.filter((box) => box.checked).map((box) => Number(box.value));
    const correcting = this.#now.step.do === "correct";
    if (correcting && right.length === 0) return this.#problem("right_needed", boxes[0]);
    if (reason === "") return this.#problem("reason_needed", this.#by("ask-reason"));
    const { step, label } = this.#now;
    this.#by("ask").close();
    this.#steps.take({ ...step, ...(correcting ? { right } : {}), reason }, label);
  }

  #problem(key, where) {
    this.#by("ask-problem").textContent = this.#language.say(key);
    where.focus();
  }
}
