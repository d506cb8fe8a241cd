// Before the first question: the title, how long it will take, and how to join.

import { el } from "/shared/dom.js";

export class WaitingScene {
  #by;
  #language;
  #asked;

  constructor(by, language, search) {
    this.#by = by;
    this.#language = language;
    this.#asked = new URLSearchParams(search).get("join");
  }

  show({ show }) {
    this.#language.put(this.#by("waiting-title"), show.title);
    const address = (this.#asked ?? show.join_url ?? "").replace(/^https?:\/\//, "").replace(/\/$/, "");
    this.#by("join-say").textContent = this.#language.say("join");
    this.#by("join-address").textContent = address;
    this.#by("join-line").hidden = address === "";
    if (!this.#by("join").querySelector("img")) this.#code(this.#language.say("join_code", { address }));
  }

  // Without a code the address alone must do.
  #code(alt) {
    const token = new URLSearchParams(location.search).get("token");
    const src = `/out/join.svg${token === null ? "" : `?token=${encodeURIComponent(token)}`}`;
    const image = el("img", { src, alt, onerror: () => { image.hidden = true; } });
    this.#by("join").prepend(image);
  }

  tick(wait_ms) {
    const words = wait_ms === null || wait_ms <= 0 ? this.#language.say("starts_soon")
      : `${this.#language.say("starts_in")} ${this.#language.clock(wait_ms)}`;
    if (this.#by("starts").textContent !== words) this.#by("starts").textContent = words;
  }
}
