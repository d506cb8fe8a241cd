// One question from its opening to its result: one element, so that nothing jumps. What it says
// about an answer is never more than the phone knows.

import { el, say, svg } from "/shared/dom.js";

import { choices } from "./choices.js";
import { hairpin, sign } from "./hairpin.js";
import { isRight, scorecard } from "./score.js";

const ANNOUNCED_S = [10, 5];

export function questionView(phone) {
  const { language, answers, clock } = phone;
  const { words } = language;
  const { question } = phone.now;
  const parts = build(phone, question, pick);
  let picked = 0;
  let drawn = "";
  let announced_s = Infinity;
  phone.announce(`${parts.number.textContent}. ${parts.title.textContent}`);

  function pick(mask) {
    picked = mask;
    if (question.multiple) update();
    else send();
  }

  function send() {
    if (picked && phaseOf(phone.now, clock.now()) === "open") answers.choose(question, picked);
    phone.update();
  }
  parts.send.addEventListener("click", send);

  function update() {
    const phase = phaseOf(phone.now, clock.now());
    const answer = answers.of(question);
    const { result } = phone.now;
    const facts = { phase, answer, result, picked, tries: answers.tries[question.index] ?? 0, online: phone.online };
    if (phase === "revealed" && parts.element.dataset.phase === "closed") scrollTo(0, 0);
    parts.element.dataset.phase = phase;
    if (phase === "open") tick(answer);
    parts.card.update();
    const wanted = JSON.stringify(facts);
    if (wanted !== drawn) draw(phone, question, parts, facts);
    drawn = wanted;
  }

  function tick(answer) {
    if (!document.hidden) answers.shown(question);
    const { closes_at } = phone.now.question;
    if (closes_at === null) return;
    const left_ms = Math.max(0, closes_at - clock.now());
    const left_s = Math.ceil(left_ms / 1000);
    parts.pin.set(1 - left_ms / (closes_at - question.opened_at));
    say(parts.time, left_s < 60 ? language.number(left_s) : language.time(left_ms));
    const due_s = ANNOUNCED_S.find((at) => left_s <= at && at < announced_s && left_s > at - 2);
    if (due_s && !answer) phone.announce(words.secondsLeft(language.number(due_s)));
    announced_s = due_s ?? announced_s;
  }

  return { element: parts.element, update };
}

function build(phone, question, pick) {
  const { language } = phone;
  const { words } = language;
  const number = el("p", { class: "show" }, words.questionOf(language.number(question.index + 1), language.number(question.of)));
  const title = language.put(el("h1", { id: "question", tabindex: "-1" }), question.text);
  const pin = hairpin();
  const time = el("p", { class: "time", role: "timer" });
  const verdict = el("p", { class: "verdict" });
  pin.inside.append(time, verdict);
  const rows = choices(question, language, pick);
  const send = el("button", { class: "send" });
  const status = el("div", { class: "status" });
  const note = el("p", { class: "soft" });
  const explanation = el("p", { class: "explanation" });
  const card = scorecard(phone);
  const after = el("div", { class: "after" }, explanation, note, card.element);
  const element = el(
    "section",
    { class: "view question" },
    number,
    title,
    question.image && el("img", { class: "picture", src: question.image, alt: "" }),
    pin.element,
    rows.element,
    el("div", { class: "foot" }, send, status),
    after,
  );
  return { element, number, title, pin, time, verdict, rows, send, status, note, explanation, card, after };
}

function draw(phone, question, parts, facts) {
  const { language } = phone;
  const { words } = language;
  const { phase, answer, result } = facts;
  const shown = phase === "revealed" ? result : null;
  const locked = Boolean(answer) || phase !== "open";
  parts.rows.update({ locked, choice: answer?.choice ?? 0, result: shown, poll: question.poll });
  const count = bits(facts.picked);
  parts.send.textContent = words.send(language.number(count), count);
  parts.send.toggleAttribute("disabled", !facts.picked);
  parts.send.hidden = !question.multiple || locked;
  const status = statusOf({ ...facts, question, language });
  const verdict = shown && verdictOf(status, question, shown, answer, words);
  drawVerdict(parts, phase, verdict, words);
  drawStatus(phone, parts, status, verdict);
  parts.after.hidden = phase !== "revealed" && phase !== "void";
  parts.explanation.textContent = "";
  if (shown?.explanation) language.put(parts.explanation, shown.explanation);
  parts.note.textContent = shown ? noteWords(phone, question, shown) : "";
}

function drawVerdict(parts, phase, verdict, words) {
  parts.time.hidden = phase !== "open";
  if (phase !== "open") parts.pin.set(phase === "closed" ? 1 : 0);
  const signs = { right: "yes", wrong: "no" };
  const title = verdict?.title ?? { void: words.void, closed: words.timeUp }[phase] ?? "";
  parts.verdict.replaceChildren(...(verdict?.tone in signs ? [sign(signs[verdict.tone])] : []), title);
}

function drawStatus(phone, parts, status, verdict) {
  const tone = verdict?.tone ?? status.tone;
  parts.element.dataset.tone = tone;
  document.documentElement.dataset.mood = verdict ? tone : "";
  parts.status.dataset.tone = status.tone;
  const detail = el("span", { class: "detail" }, status.detail);
  parts.status.replaceChildren(pinSign(), el("p", {}, el("strong", {}, status.title), detail));
  const heard = verdict ? verdict.title : status.tone === "sending" ? status.title : `${status.title}. ${status.detail}`;
  if (status.tone !== "none" || verdict) phone.announce(heard);
}

// `<` grows while an answer is on its way, `< >` holds it when it is counted, `>` fades.
function pinSign() {
  const path = (name, d) => svg("path", { class: name, d });
  return svg(
    "svg",
    { class: "pin", viewBox: "0 0 64 32", "aria-hidden": "true" },
    path("open", "M21 5 4 16l17 11"),
    path("close", "m43 5 17 11-17 11"),
    path("tick", "m26 16.5 4.5 4.5L38.5 12"),
  );
}

function noteWords(phone, question, result) {
  const { language } = phone;
  const { words } = language;
  const parts = [words.answers(language.number(result.answers), result.answers)];
  if (result.status === "provisional") parts.push(words.provisional);
  if (result.head) parts.push(words.journal + result.head);
  const said = parts.join(" · ");
  return phone.corrected(question) ? `${words.corrected} ${said}` : said;
}

function bits(mask) {
  return mask.toString(2).replaceAll("0", "").length;
}

// open | closed | revealed | void
function phaseOf(now, server_ms) {
  const { question, result, past } = now;
  if (past.some((one) => one.index === question.index && one.state === "void")) return "void";
  if (result) return "revealed";
  const over = question.closes_at !== null && server_ms >= question.closes_at;
  return now.state !== "open" || over ? "closed" : "open";
}

// `{tone, title, detail}` of an answer (null: none), whatever the result.
function statusOf({ phase, answer, question, tries, language, online }) {
  const { words } = language;
  const trying = tries > 1 ? words.sendingTry(language.number(tries)) : "";
  switch (answer?.state) {
    case "sending":
      return { tone: "sending", title: words.sending, detail: online ? trying : words.noAnswer };
    case "counted":
      return { tone: "counted", title: words.counted, detail: phase === "closed" ? words.timeUpWhy : "" };
    case "late":
      return { tone: "late", title: words.late, detail: words.lateWhy };
    case "refused":
      return { tone: "late", title: words.refused, detail: words.refusedWhy };
  }
  if (phase === "void") return { tone: "none", title: words.void, detail: words.voidWhy };
  if (phase === "revealed") return { tone: "none", title: words.missed, detail: "" };
  if (phase === "closed") return { tone: "late", title: words.timeUp, detail: words.timeUpWhy };
  return { tone: "none", title: question.multiple ? words.tapSeveral : words.tapOne, detail: "" };
}

// `{tone, title}` after the reveal: only what was counted is right or wrong.
function verdictOf(status, question, { right }, answer, words) {
  if (question.poll) return { tone: "poll", title: words.poll };
  if (status.tone === "sending") return { tone: "sending", title: words.notYet };
  if (status.tone !== "counted") return status;
  return isRight({ ...question, right }, answer.choice)
    ? { tone: "right", title: words.right }
    : { tone: "wrong", title: words.wrong };
}
