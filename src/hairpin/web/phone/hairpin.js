// The mark as a picture of time: `< >` opens and closes around a number, and goes out as time goes.

import { el, svg } from "/shared/dom.js";

const LINES = "M92 6 6 50l86 44M108 6l86 44-86 44";
const AREA = "M92 6 6 50l86 44h16l86-44-86-44z";

/** `{element, inside, set(gone, swell)}`: what stands inside; both shares run from 0 to 1. */
export function hairpin() {
  const inside = el("div", { class: "inside" });
  const element = el("div", { class: "hairpin" }, layer("dim"), layer("lit"), el("i", { class: "glint" }), inside);
  return {
    element,
    inside,
    set(gone, swell = 1) {
      element.style.setProperty("--gone", gone.toFixed(4));
      element.style.setProperty("--swell", swell.toFixed(3));
    },
  };
}

function layer(name) {
  const drawing = svg("g", {}, svg("path", { class: "area", d: AREA }), svg("path", { class: "lines", d: LINES }));
  const attributes = { class: name, viewBox: "0 0 200 100", preserveAspectRatio: "none", "aria-hidden": "true" };
  return svg("svg", attributes, drawing);
}

const SIGNS = { yes: "m7 12.5 3.6 3.6L17.5 9", no: "m8 8 8 8m0-8-8 8" };

/** A small sign, "yes" or "no". */
export function sign(name) {
  return svg("svg", { class: "sign", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: SIGNS[name] }));
}
