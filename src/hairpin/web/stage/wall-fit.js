// Long questions and many choices: type shrinks in steps until everything has room.

const STEPS = [1, 0.93, 0.86, 0.8, 0.74, 0.68, 0.62, 0.56, 0.5];

/**
 * Sets --fit on `element`, the largest step at which its children stay within it; they multiply
 * their sizes by it. Returns where they end below the top of `frame`, in rem.
 */
export function fit(element, frame) {
  let end = 0;
  for (const step of STEPS) {
    element.style.setProperty("--fit", String(step));
    end = endOfFlow(element);
    if (end <= element.getBoundingClientRect().bottom + 1) break;
  }
  const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
  return Math.max(0, end - frame.getBoundingClientRect().top) / rem;
}

// What is positioned stands elsewhere and does not count.
function endOfFlow(element) {
  const flow = [...element.children].filter((child) =>
    child.getClientRects().length > 0 && getComputedStyle(child).position !== "absolute");
  return Math.max(...flow.map((child) => child.getBoundingClientRect().bottom));
}
