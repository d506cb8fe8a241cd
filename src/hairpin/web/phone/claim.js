// The best fans, and nobody else, may give a name; the winner gets a word from the band.

import { el, say } from "/shared/dom.js";

import { post, until } from "./net.js";
import { fanOf } from "./score.js";

const NAME_MAX = 40;

/** Which card this phone shows: word | form | wait | reserve | late | null. */
export function claimState({ now, store, clock }) {
  const { ticket, claimed } = store.data;
  if (!now || !ticket) return null;
  const fan = fanOf(ticket);
  if (now.winners.some((winner) => winner.fan === fan)) return "word";
  const { contenders } = now;
  if (contenders?.reserves.includes(fan)) return "reserve";
  if (!contenders?.fans.includes(fan)) return null;
  if (claimed) return "wait";
  return clock.now() < contenders.deadline_at ? "form" : "late";
}

export function claimView(phone, state) {
  if (state === "form") return form(phone);
  if (state === "word") return word(phone);
  const { words } = phone.language;
  const [title, text] = {
    wait: [words.claimSent, words.claimWait],
    reserve: [words.claimTitle, words.claimReserve],
    late: [words.claimLate, ""],
  }[state];
  return card(title, el("p", {}, text));
}

function card(title, ...children) {
  const heading = el("h2", { tabindex: "-1" }, title);
  return { element: el("section", { class: "card claim" }, heading, ...children), update() {} };
}

function form(phone) {
  const { language, clock } = phone;
  const { words } = language;
  const name = el("input", { maxlength: NAME_MAX, autocomplete: "name", required: true, id: "name", "aria-describedby": "problem" });
  const consent = el("input", { type: "checkbox", required: true });
  const problem = el("p", { class: "notice", role: "alert", id: "problem" });
  const left = el("span", { role: "timer" });
  const button = el("button", { class: "send" }, words.claimSend);
  const view = card(
    words.claimTitle,
    el("p", {}, words.claimLead),
    el(
      "form",
      { novalidate: true, onsubmit: submit },
      el("label", { class: "field" }, el("span", {}, words.claimName), name),
      el("label", { class: "consent" }, consent, el("span", {}, words.claimConsent)),
      problem,
      button,
      el("p", { class: "soft" }, `${words.claimUntil} `, left),
    ),
  );

  async function submit(event) {
    event.preventDefault();
    const given = name.value.trim();
    if (!given || !consent.checked) {
      problem.textContent = words.claimMissing;
      (given ? consent : name).focus();
      return;
    }
    if (button.disabled) return;
    button.disabled = true;
    problem.textContent = words.sending;
    const said = await claim(phone, given);
    button.disabled = false;
    problem.textContent = said;
    phone.update();
  }

  view.update = () => {
    say(left, language.time(phone.now.contenders.deadline_at - clock.now()));
  };
  return view;
}

// Sends the claim until there is a word on it; returns what to say, "" where the card changes.
function claim({ store, language }, name) {
  const { ticket, claim: code } = store.data;
  const { words } = language;
  return until(
    () => post("/api/claim", { ticket, claim: code, name, consent: true }),
    (reply) => {
      switch (reply?.status) {
        case 202:
          store.change((data) => (data.claimed = true));
          return "";
        case 400:
          return words.claimMissing;
        case 401:
        case 403:
          return words.claimRefused;
        case 410:
          return words.claimLate;
      }
      return undefined;
    },
  );
}

function word({ now, store, language }) {
  const { words } = language;
  const fan = fanOf(store.data.ticket);
  const { rank } = now.winners.find((winner) => winner.fan === fan);
  const { text, image, link } = now.word ?? { text: {} };
  return card(
    words.place(language.number(rank)),
    now.word && el("p", { class: "soft" }, words.wordTitle),
    image && el("img", { class: "picture", src: image, alt: "" }),
    language.put(el("p", { class: "word" }), text),
    link && el("a", { class: "send", href: link, rel: "noopener noreferrer", target: "_blank" }, words.wordLink),
  );
}
