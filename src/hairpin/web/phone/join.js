// Joining: one tap on an age band, with a country that is guessed already.

import { el } from "/shared/dom.js";

import { hairpin } from "./hairpin.js";
import { named } from "./language.js";
import { post, until } from "./net.js";

export function joinView(phone) {
  const { show, store, language } = phone;
  const { words } = language;
  const country = countries(phone);
  const bands = show.age_bands.map((text, band) =>
    language.put(el("button", { class: "choice band", onclick: () => join(band) }), text),
  );
  const pin = hairpin();
  pin.element.classList.add("breathing");
  const notice = el("p", { class: "notice", role: "status" });
  const again = store.data.unknownTicket;
  const element = el(
    "section",
    { class: "view join" },
    pin.element,
    language.put(el("h1", { tabindex: "-1" }), show.title),
    el("p", { class: "lead" }, again ? words.joinAgain : words.joinLead),
    again && phone.now?.state === "open" && phone.answers.of(phone.now.question) && el("p", { class: "lead" }, words.joinAgainAnswer),
    el("label", { class: "field" }, el("span", {}, words.joinCountry), country),
    el("h2", { id: "age" }, words.joinAge),
    el("div", { class: "choices", role: "group", "aria-labelledby": "age" }, ...bands),
    notice,
    el("p", { class: "soft" }, words.joinPrivate),
  );
  let busy = false;

  async function join(band) {
    if (busy) return undefined;
    busy = true;
    bands.forEach((button, at) => {
      button.setAttribute("aria-disabled", "true");
      button.classList.toggle("chosen", at === band);
    });
    notice.textContent = words.joining;
    const joined = await until(
      () => post(`/t/${band}${country.value}`),
      (reply) => {
        if (reply?.status === 201) return reply.json().catch(() => undefined);
        if (reply?.status === 404) return null;
        notice.textContent = words.joinBusy;
        return undefined;
      },
    );
    if (joined) return phone.joined(joined, country.value);
    notice.textContent = words.joinRefused;
    bands.forEach((button) => button.removeAttribute("aria-disabled"));
    busy = false;
    return undefined;
  }

  return { element, update() {} };
}

function countries({ show, store, language }) {
  const all = show.countries
    .filter((code) => code !== "ZZ")
    .map((code) => [code, named(code, "region", language.base)])
    .sort(([, a], [, b]) => a.localeCompare(b, language.base));
  all.push(["ZZ", language.words.unknownCountry]);
  const chosen = store.data.country ?? guess(show.countries);
  return el(
    "select",
    { autocomplete: "country" },
    ...all.map(([code, name]) => el("option", { value: code, selected: code === chosen }, name)),
  );
}

// The region that this browser's languages name, or the one where its first language mostly lives.
function guess(codes) {
  const locales = (navigator.languages ?? []).map((tag) => new Intl.Locale(tag));
  const regions = [...locales.map((one) => one.region), locales[0]?.maximize().region];
  return regions.find((code) => code && codes.includes(code)) ?? "ZZ";
}
