// The hairpin figure of the wall: which shape it takes in each scene, and how it moves.

import { Hairpin } from "/wall-hairpin.js";
import { spanOf } from "/wall-rates.js";
import { countsOf, expectedRate } from "/wall-scene.js";

const FRAME_MS = 1000 / 30;
const WIDTH = 1920; // of the drawing, whatever the height is
// Where the strands begin and end; after the end of an open question there is room for a number.
const SPANS = {
  stage: { left: 80, right: 1650 },
  strip: { left: 80, right: 1840 },
  eye: { left: 0, right: 1920 },
  overlay: { left: 0, right: 1690 },
};

export class Moment {
  #hairpin;
  #svg;
  #seconds;
  #peak;
  #language;
  #overlay;
  #still = matchMedia("(prefers-reduced-motion: reduce)");
  #model = null;
  #scene = "none";
  #index = null;
  #labelled = 0;
  #picture = "";
  #height = 420;
  #due = true; // what is shown is another thing than before: draw it at once

  constructor(svg, seconds, peak, language, overlay) {
    this.#svg = svg;
    this.#hairpin = new Hairpin(svg);
    this.#seconds = seconds;
    this.#peak = peak;
    this.#language = language;
    this.#overlay = overlay;
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width > 0) this.#height = (WIDTH * contentRect.height) / contentRect.width;
      this.#due = true;
    }).observe(svg);
  }

  #resize(span) {
    const ends = SPANS[this.#overlay ? "overlay" : span];
    this.#hairpin.resize({ width: WIDTH, height: Math.round(this.#height), ...ends });
  }

  show(model, scene) {
    this.#model = model;
    const picture = `${scene} ${model.order.version} ${model.tally === null}`;
    if (picture !== this.#picture) this.#due = true;
    this.#picture = picture;
    if (scene !== this.#scene) this.#labelled = 0;
    this.#scene = scene;
    const index = model.order.question?.index ?? null;
    if (index !== this.#index) this.#hairpin.clear();
    this.#index = index;
  }

  /** Runs for ever; with reduced motion it takes one step a second. */
  animate(clock) {
    let last = -Infinity;
    const frame = (time) => {
      requestAnimationFrame(frame);
      const still = this.#still.matches;
      const early = time - last < (still ? 1000 : FRAME_MS) - 2;
      if (!this.#model || (early && !this.#due)) return;
      last = time;
      this.#due = false;
      this.#draw(clock.now(), time, still);
    };
    requestAnimationFrame(frame);
  }

  #draw(now_ms, time, still) {
    const asked = ["open", "closed", "revealed", "void"].includes(this.#scene);
    if (asked) this.#drawQuestion(now_ms, still);
    else this.#drawEye(still ? 0 : time);
  }

  #drawQuestion(now_ms, still) {
    const { order, tally } = this.#model;
    const { opened_at, closes_at, index } = order.question;
    const open = this.#scene === "open";
    const points = tally?.question?.index === index ? tally.rate_history ?? [] : [];
    const elapsed_ms = Math.max(0, now_ms - opened_at);
    const span_ms = spanOf(opened_at, closes_at, open ? elapsed_ms : points.at(-1)?.[0] ?? 0);
    const strip = this.#scene === "revealed" || this.#scene === "void";
    this.#resize(strip ? "strip" : "stage");
    const left_ms = closes_at ? Math.max(0, closes_at - now_ms) : null;
    const head = this.#hairpin.draw({
      gap: open && !this.#overlay && left_ms !== null ? 75 + 78 * String(Math.ceil(left_ms / 1000)).length : 0,
      points, span_ms, closed: !open, elapsed_ms: open ? elapsed_ms : span_ms,
      expected_rate: expectedRate(order, tally),
    }, still || !open ? 1 : 0.14);
    this.#labels(open, head, left_ms);
  }

  #labels(open, head, left_ms) {
    const { left, right } = SPANS.stage;
    const x = (left + head * (right - left)) / WIDTH;
    this.#seconds.hidden = !open || left_ms === null;
    const seconds = Math.ceil((left_ms ?? 0) / 1000);
    if (this.#seconds.textContent !== String(seconds)) this.#seconds.textContent = String(seconds);
    this.#seconds.style.setProperty("--at", `${(x * 100).toFixed(2)}%`);
    this.#seconds.dataset.hurry = String(seconds <= 5);
    const { at_ms, rate } = this.#hairpin.peak;
    this.#peak.hidden = this.#scene !== "closed";
    if (!open) this.#peak.textContent = this.#language.say("at_most", { n: this.#language.number(Math.round(rate)) });
    this.#label(at_ms, rate);
  }

  // The picture in words; renewed every few seconds, so that nobody who listens is flooded.
  #label(at_ms, rate) {
    if (performance.now() - this.#labelled < 5000 && this.#labelled > 0) return;
    this.#labelled = performance.now();
    const language = this.#language;
    const counts = countsOf(this.#model.order, this.#model.tally);
    this.#svg.setAttribute("aria-label", language.say("hairpin", {
      answers: language.number(counts?.answers ?? 0),
      peak: language.number(Math.round(rate)),
      at: language.tenths(at_ms),
    }));
  }

  // No question: the sign itself, wide open in the middle for the title or the winner's name.
  #drawEye(time) {
    this.#seconds.hidden = true;
    this.#peak.hidden = true;
    this.#svg.setAttribute("aria-label", "< >");
    this.#resize("eye");
    const breath = 0.95 + 0.05 * Math.sin(time / 2600);
    this.#hairpin.shape((x) => (1 - Math.abs(2 * x - 1)) * breath, 0.62);
  }
}
