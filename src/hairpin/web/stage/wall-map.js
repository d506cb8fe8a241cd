// The world in hexagons, coloured by one share per country.

import { el, svg } from "/shared/dom.js";
import { ROWS } from "/world-tiles.js";

const PITCH = 17; // units between two hexagons of a row
const ROW = PITCH * 0.866;
const WIDTH = (ROWS[0].length / 2 + 0.5) * PITCH;
const HEIGHT = ROWS.length * ROW + PITCH * 0.3;

/** {code: [[x, y], ...]}: the middles of each country's hexagons. */
export const PLACES = places();

function places() {
  const found = {};
  ROWS.forEach((row, line) => {
    for (let column = 0; column * 2 < row.length; column += 1) {
      const code = row.slice(column * 2, column * 2 + 2);
      if (code === "..") continue;
      (found[code] ??= []).push([(column + 0.5 + (line % 2) / 2) * PITCH, line * ROW + PITCH * 0.62]);
    }
  });
  return found;
}

/** The scale's ends: most answers lie between them, so that the colours tell countries apart. */
export function scaleEnds(rows) {
  const sorted = [...rows].sort((one, other) => one.value - other.value);
  const all = sorted.reduce((sum, row) => sum + row.weight, 0);
  const at = (share) => {
    let sum = 0;
    return sorted.find((row) => (sum += row.weight) >= share * all)?.value ?? 0;
  };
  const low = Math.floor(at(0.06) * 20) / 20;
  const high = Math.ceil(at(0.94) * 20) / 20;
  return high - low >= 0.1 ? [low, high] : [Math.max(0, high - 0.1), Math.max(0.1, high)];
}

export class WorldMap {
  #paths = {};
  #flag;
  #svg;

  constructor(element) {
    this.#svg = element;
    element.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    for (const [code, middles] of Object.entries(PLACES)) {
      const path = svg("path", { d: middles.map(([x, y]) => hexagon(x, y)).join(""), "data-country": code });
      this.#paths[code] = path;
      element.append(path);
    }
    this.#flag = svg("g", { class: "flag" });
    element.append(this.#flag);
  }

  /** `rows`: [{code, value 0 to 1, weight}]; `best`: {code, label} or null. */
  show(rows, [low, high], best) {
    const shares = new Map(rows.map((row) => [row.code, row.value]));
    for (const [code, path] of Object.entries(this.#paths)) {
      const share = shares.get(code);
      path.classList.toggle("counted", share !== undefined);
      path.classList.toggle("best", code === best?.code);
      if (share !== undefined) this.#warm(path.style, Math.min(1, Math.max(0, (share - low) / (high - low))));
    }
    if (best && this.#paths[best.code]) this.#svg.insertBefore(this.#paths[best.code], this.#flag);
    this.#point(best);
  }

  // From the dark end to the accent, from there to the bright end: lightness only ever grows.
  #warm(style, warmth) {
    style.setProperty("--to-accent", `${(100 * Math.min(1, warmth * 2)).toFixed(1)}%`);
    style.setProperty("--to-bright", `${(100 * Math.max(0, warmth * 2 - 1)).toFixed(1)}%`);
  }

  // A line from the best country up to its name.
  #point(best) {
    this.#flag.replaceChildren();
    const middles = best && PLACES[best.code];
    if (!middles) return;
    const x = middles.reduce((sum, middle) => sum + middle[0], 0) / middles.length;
    const near = middles.filter((one) => Math.abs(one[0] - x) < PITCH * 1.5);
    const top = Math.min(...near.map((one) => one[1]), middles[0][1]);
    const half = best.label.length * 6.4 + 14;
    const middle = Math.min(WIDTH - half - 4, Math.max(half + 4, x));
    const y = Math.max(22, top - 58);
    this.#flag.append(
      svg("path", { d: `M${x} ${top - 8}V${y + 18}` }),
      svg("rect", { x: middle - half, y: y - 20, width: 2 * half, height: 38, rx: 19 }),
      svg("text", { x: middle, y: y + 7 }, best.label),
    );
  }
}

// Pointed at the top, corners cut a little: it reads as one field of cells.
function hexagon(x, y, radius = PITCH * 0.54) {
  let d = "";
  for (let corner = 0; corner < 6; corner += 1) {
    for (const lean of [-0.16, 0.16]) {
      const turn = ((corner - 0.5) * Math.PI) / 3 + lean;
      const [right, down] = [x + radius * Math.cos(turn), y + radius * Math.sin(turn)];
      d += `${d === "" ? "M" : "L"}${right.toFixed(1)} ${down.toFixed(1)}`;
    }
  }
  return `${d}Z`;
}

/** The same numbers as a table, for those who do not see the map. */
export function mapTable(heads, rows) {
  return el("table", {},
    el("thead", {}, el("tr", {}, ...heads.map((head) => el("th", { scope: "col" }, head)))),
    el("tbody", {}, ...rows.map(([name, ...cells]) =>
      el("tr", {}, el("th", { scope: "row" }, name), ...cells.map((cell) => el("td", {}, cell))))),
  );
}
