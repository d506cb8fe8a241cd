// The accent of a show, made readable: contrast after WCAG 2.2, "relative luminance".

const DARK = [11, 10, 16]; // --ground and --raised of tokens.css
const RAISED = [23, 21, 31];
const LIGHT = [250, 247, 241];
const WHITE = [255, 255, 255];
const BLACK = [0, 0, 0];
const GLOW = 0.22; // the most of an accent that shines on the ground

/** Sets --accent and its readable forms on `root` from "#rrggbb". */
export function setAccent(root, hex) {
  if (!/^#[0-9a-f]{6}$/i.test(hex)) return;
  const accent = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const ink = contrast(accent, BLACK) >= contrast(accent, WHITE) ? BLACK : WHITE;
  root.style.setProperty("--accent", hex);
  root.style.setProperty("--accent-ink", css(ink));
  root.style.setProperty("--accent-on-dark", css(readable(accent, [RAISED, mix(DARK, accent, GLOW)], WHITE)));
  root.style.setProperty("--accent-on-light", css(readable(accent, [mix(LIGHT, accent, GLOW)], DARK)));
}

function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((part) => {
    const value = part / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

// Moves a colour towards another one until it can be read on all grounds.
function readable(colour, grounds, towards) {
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = mix(colour, towards, share);
    if (grounds.every((ground) => contrast(mixed, ground) >= 4.5)) return mixed;
  }
  return towards;
}

function mix(one, other, share) {
  return one.map((part, at) => Math.round(part + (other[at] - part) * share));
}

function css(rgb) {
  return `rgb(${rgb.join(" ")})`;
}
