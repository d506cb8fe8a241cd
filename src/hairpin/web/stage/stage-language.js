// The words of a page, the texts of the show and numbers, in one language.

import { direction, pick } from "/shared/text.js";

const SPOKEN = ["en", "fr"]; // languages that the pages' own words exist in

export class Language {
  #words;
  #asked;

  /** `words`: {en: {key: "..."}, fr: {...}}; `search`: the page's query, `?lang=fr` decides. */
  constructor(words, search) {
    this.#words = words;
    this.#asked = new URLSearchParams(search).get("lang");
    this.use([]);
  }

  /** The show's languages, the first one is its default. */
  use(languages) {
    this.wanted = [this.#asked, ...languages, "en"].filter(Boolean);
    const spoken = this.wanted.map((tag) => tag.split("-")[0].toLowerCase());
    this.own = spoken.find((tag) => SPOKEN.includes(tag));
    this.#number = new Intl.NumberFormat(this.own);
    this.#percent = new Intl.NumberFormat(this.own, { style: "percent", maximumFractionDigits: 0 });
    this.#seconds = new Intl.NumberFormat(this.own, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
    this.#tenth = new Intl.NumberFormat(this.own, { minimumFractionDigits: 1, maximumFractionDigits: 1 });
    this.#countries = new Intl.DisplayNames([this.own], { type: "region", fallback: "code" });
  }

  #number;
  #percent;
  #seconds;
  #tenth;
  #countries;

  /** `say("question_of", {n: 3, of: 7})`. */
  say(key, values = {}) {
    const pattern = this.#words[this.own][key];
    if (pattern === undefined) throw new Error(`no words for "${key}" in ${this.own}`);
    return pattern.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  }

  /** Words that depend on how many: key_one and key_other; `{n}` is the formatted number. */
  count(key, n, values = {}) {
    const form = new Intl.PluralRules(this.own).select(n) === "one" ? "one" : "other";
    return this.say(`${key}_${form}`, { n: this.number(n), ...values });
  }

  /** Puts a text of the show into an element, with its language and direction. */
  put(element, text) {
    const { words, language } = text ? pick(text, this.wanted) : { words: "", language: this.own };
    if (element.textContent !== words) element.textContent = words;
    element.lang = language;
    element.dir = direction(language);
    return words;
  }

  text(text) {
    return text ? pick(text, this.wanted).words : "";
  }

  number(n) {
    return this.#number.format(n);
  }

  share(part, whole) {
    return this.#percent.format(whole > 0 ? part / whole : 0);
  }

  /** "31.204" */
  seconds(ms) {
    return this.#seconds.format(ms / 1000);
  }

  /** "4.2" */
  tenths(ms) {
    return this.#tenth.format(ms / 1000);
  }

  country(code) {
    return code === "ZZ" ? this.say("elsewhere") : this.#countries.of(code);
  }

  /** "0:09", "4:12", "1:02:45" */
  clock(ms) {
    const s = Math.max(0, Math.ceil(ms / 1000));
    const [hours, minutes, seconds] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
    const two = (n) => String(n).padStart(2, "0");
    return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
  }

  /** Time of day, "21:40" */
  time(ms) {
    const form = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    return new Intl.DateTimeFormat(this.own, form).format(ms);
  }
}

/** "A" for 0. */
export function letter(index) {
  return String.fromCharCode(65 + index);
}

/** A head of the journal in groups of four digits, so that people can compare it. */
export function grouped(head) {
  return head.replace(/.{4}(?=.)/g, "$& ");
}

/** The indices of the bits of a mask: 5 is [0, 2]. */
export function bits(mask) {
  return [0, 1, 2, 3, 4, 5, 6, 7].filter((index) => mask & (1 << index));
}
