// The page's own words, and numbers, times and countries as a language writes them.

import { el } from "/shared/dom.js";
import { direction, pick } from "/shared/text.js";

import ar from "./ar.js";
import en from "./en.js";
import fr from "./fr.js";

const WORDS = { en, fr, ar };
const SPOKEN = Object.keys(WORDS);

/** All languages on offer: those the page speaks, and any other one of the show. */
export function offered(show) {
  return [...new Set([...SPOKEN, ...show.languages])].filter(
    (tag) => SPOKEN.includes(tag) || !SPOKEN.includes(tag.split("-")[0]),
  );
}

/** The one on offer that this browser asks for first. */
export function preset(show) {
  const tags = offered(show);
  for (const wanted of navigator.languages ?? []) {
    const base = wanted.toLowerCase().split("-")[0];
    const found = tags.find((tag) => tag.toLowerCase().split("-")[0] === base);
    if (found) return found;
  }
  const base = show.languages[0].split("-")[0];
  return tags.find((tag) => tag.split("-")[0] === base);
}

/** What a language, or a region, calls itself or is called in another language. */
export function named(code, type, language) {
  try {
    return new Intl.DisplayNames([language], { type }).of(code);
  } catch {
    return code;
  }
}

/** The page in one language; where it does not speak it, its own words are English. */
export class Language {
  #numbers;
  #two;
  #percent;
  #wanted;

  constructor(tag, show) {
    const base = tag in WORDS ? tag : SPOKEN[0];
    this.tag = tag;
    this.base = base;
    this.words = WORDS[base];
    this.#wanted = [tag, show.languages[0]];
    this.#numbers = new Intl.NumberFormat(base);
    this.#two = new Intl.NumberFormat(base, { minimumIntegerDigits: 2 });
    this.#percent = new Intl.NumberFormat(base, { style: "percent" });
  }

  number(n) {
    return this.#numbers.format(n);
  }

  percent(share) {
    return this.#percent.format(share);
  }

  /** 75 s as 1:15, 4000 s as 1:06:40. */
  time(ms) {
    const seconds = Math.max(0, Math.ceil(ms / 1000));
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    if (!parts[0]) parts.shift();
    return parts.map((part, at) => (at ? this.#two : this.#numbers).format(part)).join(":");
  }

  /** Puts a show's text into an element, and marks it where its language is not the page's. */
  put(element, text) {
    const { words, language } = pick(text, this.#wanted);
    const other = language && language.split("-")[0] !== this.base;
    element.replaceChildren(other ? el("span", { lang: language, dir: direction(language) }, words) : words);
    return element;
  }
}
