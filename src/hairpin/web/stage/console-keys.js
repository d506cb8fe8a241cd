// The keyboard, and the page that explains it. Single letters can be switched off (WCAG 2.1.4).

import { el } from "/shared/dom.js";

const STORED = "hairpin console keys";
const HELP = [
  ["O", "key_o"], ["C", "key_c"], ["R", "key_r"], ["A", "key_a"], ["H", "key_h"], [null, "key_arrows"],
  ["K", "key_k"], ["V", "key_v"], ["Enter", "key_enter"], ["Esc", "key_esc"], ["?", "key_help"],
];

export class Keys {
  #by;
  #language;
  #on = localStorage.getItem(STORED) !== "off";

  /** `act`: what the keys call: {confirm, cancel, choose(move), letters: {o: ..., c: ...}}. */
  constructor(by, language, act) {
    this.#by = by;
    this.#language = language;
    by("help-button").addEventListener("click", () => this.help());
    by("keys-on").addEventListener("change", () => {
      this.#on = by("keys-on").checked;
      localStorage.setItem(STORED, this.#on ? "on" : "off");
    });
    document.addEventListener("keydown", (event) => this.#key(event, act));
  }

  show() {
    const say = (key) => this.#language.say(key);
    this.#by("help-button").textContent = `${say("help")} ?`;
    this.#by("help-title").textContent = say("keys_title");
    this.#by("help-close").textContent = say("close_help");
    this.#by("keys-on-title").textContent = say("keys_on");
    this.#by("keys-on").checked = this.#on;
    this.#by("help-keys").replaceChildren(...HELP.map(([key, words]) =>
      el("div", {}, el("dt", {}, el("kbd", {}, key ?? say("up_down"))), el("dd", {}, say(words)))));
  }

  help() {
    this.#by("help").showModal();
  }

  #key(event, act) {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]") || event.target.matches("input, textarea, select")) return;
    if (event.key === "Escape") return act.cancel();
    // On a button Enter presses that button; confirming by it needs no help from here.
    if (event.key === "Enter" && !event.target.matches("button, a, summary")) return act.confirm();
    const moves = { ArrowUp: -1, ArrowDown: 1 };
    if (event.key in moves && !event.target.matches(".wide")) {
      event.preventDefault();
      return act.choose(moves[event.key]);
    }
    if (!this.#on) return;
    if (event.key === "?") return this.help();
    const letter = event.key.toLowerCase();
    if (letter in act.letters) {
      event.preventDefault();
      act.letters[letter]();
    }
  }
}
