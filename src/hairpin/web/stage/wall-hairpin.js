// The hairpin: the answers a second of one question, drawn as strands that open and close.
//
// From left to right runs the question's time, up and down the square root of the answers a second
// (so that a quiet end still shows beside a loud beginning). What has not happened yet is one thin
// line; where the strands meet it is now.

import { svg } from "/shared/dom.js";
import { BINS, peak, rates } from "/wall-rates.js";

const STRANDS = 17; // on each side of the middle
const CLOSING_SHARE = 0.07; // the last part of a closed question runs together into the point
const RATE_FLOOR = 25; // answers a second that fill the height at least: one fan is no roar
const EDGE = 6; // units above the highest strand
const TICK_MS = 5_000;
const TICK_LONG_MS = 30_000; // between marks of a question longer than two minutes

export class Hairpin {
  #svg;
  #gradient;
  #area = svg("path", { class: "area" });
  #future = svg("path", { class: "future" });
  #ticks = svg("path", { class: "ticks" });
  #head;
  #strands = [];
  #size = { width: 1920, height: 420, left: 0, right: 1920 };
  #heights = new Array(BINS).fill(0);
  #reached = 0; // bins that have begun
  #scale = RATE_FLOOR;
  #span_ms = 0;

  /** `element`: an svg with an id. */
  constructor(element) {
    this.#svg = element;
    const light = `${element.id}-light`;
    const glow = `${element.id}-glow`;
    this.#gradient = svg("linearGradient", { id: light, gradientUnits: "userSpaceOnUse", y1: 0, y2: 0 },
      svg("stop", { offset: 0, class: "strand-early" }),
      svg("stop", { offset: 0.5, class: "strand-middle" }),
      svg("stop", { offset: 1, class: "strand-late" }));
    const around = svg("radialGradient", { id: glow },
      svg("stop", { offset: 0, class: "glow-near" }), svg("stop", { offset: 1, class: "glow-far" }));
    this.#head = svg("g", { class: "head" },
      svg("circle", { r: 90, fill: `url(#${glow})` }), svg("circle", { r: 7 }));
    this.#strands = strands(`url(#${light})`);
    element.replaceChildren(svg("defs", {}, this.#gradient, around), this.#future, this.#ticks, this.#area,
      ...this.#strands.map((strand) => strand.path), this.#head);
  }

  /** The drawing's area in its own units; the strands run from `left` to `right`. */
  resize(size) {
    this.#size = size;
    const box = `0 0 ${size.width} ${size.height}`;
    if (this.#svg.getAttribute("viewBox") !== box) this.#svg.setAttribute("viewBox", box);
  }

  /** Forgets the last question: the next one grows from a line again. */
  clear() {
    this.#heights.fill(0);
    this.#reached = 0;
    this.#scale = RATE_FLOOR;
  }

  /**
   * `moment`: {points, span_ms, elapsed_ms, closed, expected_rate, gap}; `gap` leaves room for a
   * number after now. `calm` 1 shows it at once, less lets it follow. Returns where now is, 0 to 1.
   */
  draw(moment, calm = 1) {
    const pace = moment.span_ms === this.#span_ms ? calm : 1;
    this.#span_ms = moment.span_ms;
    const target = rates(moment.points, moment.span_ms, moment.elapsed_ms, moment.closed);
    const expected = moment.closed ? 0 : moment.expected_rate ?? 0;
    this.#scale += (Math.max(RATE_FLOOR, expected, ...target) - this.#scale) * pace;
    const before = this.#reached;
    const now = moment.closed ? 1 : Math.min(1, moment.elapsed_ms / moment.span_ms);
    this.#reached = Math.ceil(now * BINS);
    this.#heights = this.#heights.map((height, bin) =>
      bin < before ? height + (target[bin] - height) * pace : target[bin]);
    this.#paint(this.#steps(now, moment.closed), 0);
    this.#paintFuture(now, moment);
    return now;
  }

  /** The sign alone: `height(x)` from 0 to 1 for x from 0 to 1; `hollow` is its free middle. */
  shape(height, hollow) {
    const steps = [];
    for (let bin = 0; bin <= BINS; bin += 1) steps.push([this.#x(bin / BINS), height(bin / BINS) * this.#reach]);
    this.#paint(steps, hollow);
    this.#paintFuture(1, { closed: true });
  }

  get peak() {
    return peak(this.#heights, this.#span_ms);
  }

  get #reach() {
    return this.#size.height / 2 - EDGE;
  }

  #x(share) {
    return this.#size.left + share * (this.#size.right - this.#size.left);
  }

  // [x, height] of the outer strand from the opening until now.
  #steps(now, closed) {
    const steps = [];
    for (let bin = 0; bin < this.#reached; bin += 1) {
      const at = Math.min(now, (bin + 0.5) / BINS);
      const closing = closed ? Math.min(1, (1 - at) / CLOSING_SHARE) : 1;
      steps.push([this.#x(at), Math.sqrt(this.#heights[bin] / this.#scale) * this.#reach * closing]);
    }
    steps.push([this.#x(now), closed ? 0 : steps.at(-1)?.[1] ?? 0]);
    return steps;
  }

  #paint(steps, hollow) {
    const start = this.#x(0);
    const middle = this.#size.height / 2;
    for (const { path, side, outer } of this.#strands) {
      path.setAttribute("d", curve(start, middle, steps, side * (hollow + (1 - hollow) * outer)));
    }
    const halves = [-1, 1].map((side) => `${curve(start, middle, steps, side)}V${middle}Z`);
    this.#area.setAttribute("d", halves.join(""));
    // Brightest where it is now.
    this.#gradient.setAttribute("x1", start.toFixed(1));
    this.#gradient.setAttribute("x2", Math.max(start + 1, steps.at(-1)[0]).toFixed(1));
  }

  #paintFuture(now, { gap = 0, closed, span_ms }) {
    const middle = this.#size.height / 2;
    const x = this.#x(now);
    const after = x + gap;
    let line = "";
    if (now < 1 && gap > 0) line = `M${x.toFixed(1)} ${middle}h30`;
    if (now < 1 && after < this.#size.right) line += `M${after.toFixed(1)} ${middle}H${this.#size.right}`;
    this.#future.setAttribute("d", line);
    this.#ticks.setAttribute("d", now < 1 ? this.#tickMarks(after, middle, span_ms) : "");
    this.#head.setAttribute("transform", `translate(${x.toFixed(1)} ${middle})`);
    this.#head.toggleAttribute("hidden", closed);
  }

  // A mark at each five seconds that are still to come, and a longer one at the end.
  #tickMarks(after, middle, span_ms) {
    const step_ms = span_ms > 120_000 ? TICK_LONG_MS : TICK_MS;
    let marks = "";
    for (let left_ms = 0; this.#x(1 - left_ms / span_ms) >= after; left_ms += step_ms) {
      const half = left_ms === 0 ? 14 : 6;
      marks += `M${this.#x(1 - left_ms / span_ms).toFixed(1)} ${middle - half}v${2 * half}`;
    }
    return marks;
  }
}

// From the upper edge to the lower one; the nearer the middle, the fainter.
function strands(stroke) {
  const all = [];
  for (let strand = -STRANDS; strand <= STRANDS; strand += 1) {
    const outer = Math.abs(strand) / STRANDS;
    const path = svg("path", { class: outer === 1 ? "strand edge" : "strand", stroke });
    if (outer < 1) path.style.opacity = (0.16 + 0.5 * outer ** 2).toFixed(3);
    all.push({ path, side: strand < 0 ? -1 : 1, outer });
  }
  return all;
}

// A smooth line along all steps at `lean` of their heights: each step pulls, the middle between two
// steps is on the line.
function curve(start, middle, steps, lean) {
  const y = (height) => (middle + height * lean).toFixed(1);
  let d = `M${start.toFixed(1)} ${middle}`;
  for (let at = 0; at < steps.length - 1; at += 1) {
    const [x, height] = steps[at];
    const [next_x, next_height] = steps[at + 1];
    d += `Q${x.toFixed(1)} ${y(height)} ${((x + next_x) / 2).toFixed(1)} ${y((height + next_height) / 2)}`;
  }
  const [x, height] = steps.at(-1);
  return `${d}L${x.toFixed(1)} ${y(height)}`;
}
