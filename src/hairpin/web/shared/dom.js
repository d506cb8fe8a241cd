// Building elements without a library. Text is always text, never markup.

/**
 * `el("button", {class: "choice", onclick: f, "aria-pressed": "false"}, "Yes", icon)`.
 * null, undefined and false among the children and the attributes are left out.
 */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (left(value)) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.filter((child) => !left(child)));
  return element;
}

function left(value) {
  return value === null || value === undefined || value === false;
}

const SVG = "http://www.w3.org/2000/svg";

/** The same for SVG. */
export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

/** Sets the text of an element, and touches nothing where it is the same. */
export function say(element, words) {
  if (element.textContent !== words) element.textContent = words;
}
