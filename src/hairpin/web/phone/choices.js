// The choices of a question: buttons while it is open, bars after the reveal, in the same place.

import { el } from "/shared/dom.js";

import { sign } from "./hairpin.js";

/** `{element, update({locked, choice, result, poll})}`; `pick(mask)` tells what was touched. */
export function choices(question, language, pick) {
  let picked = 0;
  let open = true;
  const rows = question.choices.map((choice, at) => row(choice, at, language, () => touch(1 << at)));
  const pictures = question.choices.some((choice) => choice.image);
  const element = el(
    "div",
    { class: pictures ? "choices pictures" : "choices", role: "group", "aria-labelledby": "question" },
    ...rows.map((one) => one.button),
  );

  function touch(bit) {
    if (!open) return;
    picked = question.multiple ? picked ^ bit : bit;
    pick(picked);
  }

  return {
    element,
    update({ locked, choice, result, poll }) {
      open = !locked;
      const pressed = locked ? choice : picked;
      rows.forEach((one, at) => {
        one.button.setAttribute("aria-pressed", Boolean(pressed & (1 << at)));
        one.button.setAttribute("aria-disabled", locked);
        reveal(one, at, { choice, result, poll, language });
      });
    },
  };
}

function row(choice, at, language, touched) {
  const share = el("span", { class: "share" });
  const tags = el("span", { class: "tags" });
  const words = language.put(el("span", { class: "words" }), choice.text);
  const button = el(
    "button",
    { class: "choice", onclick: touched, "data-choice": at },
    el("i", { class: "bar" }),
    choice.image && el("img", { src: choice.image, alt: "", decoding: "async" }),
    el("span", { class: "box" }, sign("yes")),
    el("span", { class: "what" }, words, tags),
    share,
  );
  return { button, share, tags };
}

function reveal({ button, share, tags }, at, { choice, result, poll, language }) {
  const { words } = language;
  const bit = 1 << at;
  const right = Boolean(result && !poll && result.right & bit);
  const own = Boolean(choice & bit);
  const count = result?.by_choice[at]; // null where too few chose it
  const part = count ? count / result.answers : 0;
  button.classList.toggle("right", right);
  button.classList.toggle("own", own);
  button.style.setProperty("--share", part.toFixed(4));
  share.textContent = count === null ? "–" : result ? language.percent(part) : "";
  tags.replaceChildren();
  if (right) tags.append(el("span", { class: "tag right" }, sign("yes"), words.rightAnswer));
  if (result && own) tags.append(el("span", {}, words.yourAnswer));
}
