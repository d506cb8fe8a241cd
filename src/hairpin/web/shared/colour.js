// The accent of a show, made readable: contrast after WCAG 2.2, "relative luminance".

const DARK = [11, 10, 16]; // --ground and --raised of tokens.css, the harder one of each scheme
const RAISED = [23, 21, 31];
const LIGHT = [250, 247, 241];
const WHITE = [255, 255, 255];

/** Sets --accent and its readable forms on `root` from "#rrggbb". */
export function setAccent(root, hex) {
  if (!/^#[0-9a-f]{6}$/i.test(hex)) return;
  const accent = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const ink = contrast(accent, DARK) >= contrast(accent, WHITE) ? DARK : WHITE;
  root.style.setProperty("--accent", hex);
  root.style.setProperty("--accent-ink", css(ink));
  root.style.setProperty("--accent-on-dark", css(readable(accent, RAISED, WHITE)));
  root.style.setProperty("--accent-on-light", css(readable(accent, LIGHT, DARK)));
}

export function contrast(one, other) {
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

// Moves a colour towards another one until it can be read on the ground.
function readable(colour, ground, towards) {
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = colour.map((part, at) => Math.round(part + (towards[at] - part) * share));
    if (contrast(mixed, ground) >= 4.6) return mixed;
  }
  return towards;
}

function css(rgb) {
  return `rgb(${rgb.join(" ")})`;
}
