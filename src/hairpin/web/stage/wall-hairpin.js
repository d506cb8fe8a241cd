// The hairpin: the answers a second of one question, drawn as strands that open and close.
//
// From left to right runs the question's time, up and down the square root of the answers a second
// (so that a quiet end still shows beside a loud beginning). What has not happened yet is one thin
// line; where the strands meet it is now.

import { svg } from "/shared/dom.js";

const BINS = 160; // across the whole time of the question
const STRANDS = 17; // on each side of the middle
const SMOOTH_SHARE = 0.012; // standard deviation of the smoothing, of the whole time
const CLOSING_SHARE = 0.07; // the last part of a closed question runs together into the point
const RATE_FLOOR = 25; // answers a second that fill the height at least: one fan is no roar

/**
 * Answers a second in each bin, smoothed. `points`: [[ms since opening, answers until then], ...].
 *
 * Bins after `elapsed_ms` are 0. At the head of an open question the last rate is held; a closed
 * one fades to nothing at both ends, as the sign does.
 */
export function rates(points, span_ms, elapsed_ms, closed, bins = BINS) {
  const bin_ms = span_ms / bins;
  const last = Math.min(bins, Math.max(0, Math.ceil(elapsed_ms / bin_ms)));
  const known = points.length > 0 ? points[points.length - 1][0] : 0;
  const raw = [];
  for (let bin = 0; bin < last; bin += 1) {
    const from = bin * bin_ms;
    const until = Math.min(from + bin_ms, known);
    const reported = until - from >= bin_ms / 2 || closed;
    raw.push(reported ? ((answersAt(points, until) - answersAt(points, from)) / Math.max(1, until - from)) * 1000 : held(raw));
  }
  return smooth(raw.map((rate) => Math.max(0, rate)), bins * SMOOTH_SHARE, closed).concat(new Array(bins - last).fill(0));
}

// What is not reported yet continues as it was of late.
function held(raw) {
  const late = raw.slice(-6);
  return late.reduce((sum, rate) => sum + rate, 0) / Math.max(1, late.length);
}

function answersAt(points, ms) {
  let before = [0, 0];
  for (const point of points) {
    if (point[0] >= ms) {
      const gap = point[0] - before[0];
      return gap > 0 ? before[1] + ((point[1] - before[1]) * (ms - before[0])) / gap : point[1];
    }
    before = point;
  }
  return before[1];
}

// A Gaussian; silence lies before the beginning, and after the end if that was the end.
function smooth(values, deviation, closed) {
  const reach = Math.ceil(deviation * 3);
  return values.map((_, at) => {
    let sum = 0;
    let weight = 0;
    for (let step = -reach; step <= reach; step += 1) {
      const share = Math.exp(-(step * step) / (2 * deviation * deviation));
      const index = at + step;
      weight += share;
      if (index >= values.length) sum += closed ? 0 : share * values[values.length - 1];
      else if (index >= 0) sum += share * values[index];
    }
    return sum / weight;
  });
}

/** The moment of most answers a second: {at_ms, rate}. */
export function peak(heights, span_ms) {
  const rate = Math.max(0, ...heights);
  return { at_ms: ((heights.indexOf(rate) + 0.5) * span_ms) / heights.length, rate };
}

export class Hairpin {
  #svg;
  #paths = [];
  #future;
  #head;
  #ticks;
  #size = { width: 1920, height: 420, left: 0, right: 1920 };
  #heights = new Array(BINS).fill(0);
  #reached = 0; // bins that have begun
  #area;
  #scale = RATE_FLOOR;
  #span_ms = 0;

  constructor(element) {
    this.#svg = element;
    const id = `${element.id}-light`;
    this.#svg.replaceChildren(
      svg("defs", {},
        svg("linearGradient", { id, gradientUnits: "userSpaceOnUse", y1: 0, y2: 0 },
          svg("stop", { offset: 0, class: "strand-early" }), svg("stop", { offset: 0.5, class: "strand-middle" }),
          svg("stop", { offset: 1, class: "strand-late" })),
        svg("radialGradient", { id: `${id}-head` },
          svg("stop", { offset: 0, class: "glow-near" }), svg("stop", { offset: 1, class: "glow-far" }))),
    );
    this.#future = svg("path", { class: "future" });
    this.#ticks = svg("path", { class: "ticks" });
    this.#area = svg("path", { class: "area" });
    this.#svg.append(this.#future, this.#ticks, this.#area);
    for (let strand = -STRANDS; strand <= STRANDS; strand += 1) {
      const outer = Math.abs(strand) / STRANDS;
      const path = svg("path", { class: outer === 1 ? "strand edge" : "strand", stroke: `url(#${id})` });
      if (outer < 1) path.style.opacity = (0.16 + 0.5 * outer ** 2).toFixed(3);
      this.#paths.push({ path, lean: strand / STRANDS, outer });
      this.#svg.append(path);
    }
    this.#head = svg("g", { class: "head" }, svg("circle", { r: 90, fill: `url(#${id}-head)` }), svg("circle", { r: 7 }));
    this.#svg.append(this.#head);
  }

  /** Drawing area in its own units; the strands run from `left` to `right`. */
  resize(size) {
    if (JSON.stringify(size) === JSON.stringify(this.#size) && this.#svg.hasAttribute("viewBox")) return;
    this.#size = size;
    this.#svg.setAttribute("viewBox", `0 0 ${size.width} ${size.height}`);
  }

  /** Forgets the last question: the next one grows from a line again. */
  clear() {
    this.#heights.fill(0);
    this.#reached = 0;
    this.#scale = RATE_FLOOR;
  }

  /**
   * `moment`: {points, span_ms, elapsed_ms, closed, expected_rate, gap}; `calm` 1 shows it at once, less
   * lets it follow. Returns where the head is, 0 to 1.
   */
  draw(moment, calm = 1) {
    if (moment.span_ms !== this.#span_ms) calm = 1;
    this.#span_ms = moment.span_ms;
    const target = rates(moment.points, moment.span_ms, moment.elapsed_ms, moment.closed);
    const loudest = Math.max(RATE_FLOOR, moment.closed ? 0 : moment.expected_rate ?? 0, ...target);
    this.#scale += (loudest - this.#scale) * calm;
    const before = this.#reached;
    this.#reached = moment.closed ? BINS : Math.ceil((moment.elapsed_ms / moment.span_ms) * BINS);
    this.#heights = this.#heights.map((height, bin) => bin >= before ? target[bin] : height + (target[bin] - height) * calm);
    const head = Math.min(1, Math.max(0, moment.elapsed_ms / moment.span_ms));
    this.#paint(moment.closed ? 1 : head, moment);
    return head;
  }

  /** A shape that is nobody's rate, for titles: `height(x)` from 0 to 1 for x from 0 to 1. */
  shape(height, hollow = 0) {
    this.#heights = this.#heights.map((_, bin) => height((bin + 0.5) / BINS) ** 2);
    this.#scale = 1;
    this.#paint(1, { closed: true, whole: true }, hollow);
  }

  get peak() {
    return peak(this.#heights, this.#span_ms);
  }

  #x(share) {
    return this.#size.left + share * (this.#size.right - this.#size.left);
  }

  #paint(head, moment, hollow = 0) {
    const middle = this.#size.height / 2;
    const bins = Math.max(1, Math.ceil(head * BINS));
    const spread = this.#heights.slice(0, bins).map((rate, bin) =>
      Math.sqrt(rate / this.#scale) * (middle - 6) * (moment.closed && !moment.whole ? closing((bin + 0.5) / BINS) : 1));
    if (moment.closed) spread.push(0);
    const steps = spread.map((height, bin) => [this.#x(Math.min(head, moment.closed ? (bin + 0.5) / (bins + 0.5) : (bin + 0.5) / BINS)), height]);
    if (!moment.closed) steps.push([this.#x(head), spread[bins - 1]]);
    const start = this.#x(0);
    for (const { path, lean, outer } of this.#paths) {
      const at = (lean < 0 ? -1 : 1) * (hollow + (1 - hollow) * outer);
      path.setAttribute("d", curve(start, middle, steps, at));
    }
    this.#area.setAttribute("d", [-1, 1].map((side) => `${curve(start, middle, steps, side)}V${middle}Z`).join(""));
    const now = this.#x(head);
    const after = now + (moment.gap ?? 0); // room for the number of seconds
    const room = head < 1 && after < this.#size.right;
    this.#future.setAttribute("d", room ? `M${now.toFixed(1)} ${middle}h${moment.gap ? 30 : 0}M${after.toFixed(1)} ${middle}H${this.#size.right}` : "");
    this.#ticks.setAttribute("d", head < 1 ? this.#tickMarks(after, middle, moment.span_ms) : "");
    this.#light(start, now);
    this.#head.setAttribute("transform", `translate(${now.toFixed(1)} ${middle})`);
    this.#head.toggleAttribute("hidden", moment.closed);
  }

  // Brightest where it is now.
  #light(start, now) {
    const gradient = this.#svg.querySelector("linearGradient");
    gradient.setAttribute("x1", start.toFixed(1));
    gradient.setAttribute("x2", Math.max(start + 1, now).toFixed(1));
  }

  // A mark at each five seconds that are still to come, and at the end.
  #tickMarks(after, middle, span_ms) {
    const step = span_ms > 120_000 ? 30_000 : 5_000;
    let marks = "";
    for (let left_ms = 0; this.#x(1 - left_ms / span_ms) >= after; left_ms += step) {
      const half = left_ms === 0 ? 14 : 6;
      marks += `M${this.#x(1 - left_ms / span_ms).toFixed(1)} ${middle - half}v${2 * half}`;
    }
    return marks;
  }
}

function closing(share) {
  return Math.min(1, (1 - share) / CLOSING_SHARE);
}

// A smooth line along all steps at `lean` of their heights: each step pulls, the middle between two
// steps is on the line.
function curve(start, middle, steps, lean) {
  let d = `M${start.toFixed(1)} ${middle}`;
  for (let at = 0; at < steps.length - 1; at += 1) {
    const [x, height] = steps[at];
    const [next_x, next_height] = steps[at + 1];
    d += `Q${x.toFixed(1)} ${(middle + height * lean).toFixed(1)} ${((x + next_x) / 2).toFixed(1)} ${(middle + ((height + next_height) / 2) * lean).toFixed(1)}`;
  }
  const [x, height] = steps[steps.length - 1];
  return `${d}L${x.toFixed(1)} ${(middle + height * lean).toFixed(1)}`;
}
