// The wall: three events in, one picture out. Everything on it follows from `model`.

import { ServerClock } from "/shared/clock.js";
import { setAccent } from "/shared/colour.js";
import { follow, streamAddress } from "/stage-events.js";
import { Language } from "/stage-language.js";
import { Moment } from "/wall-moment.js";
import { LeadersScene, WinnerScene } from "/wall-people.js";
import { QuestionScene } from "/wall-question.js";
import { countsOf, rememberEnd, rememberedEnd, sceneOf } from "/wall-scene.js";
import { WaitingScene } from "/wall-waiting.js";
import { WORDS } from "/wall-words.js";

const QUESTION_SCENES = ["open", "closed", "revealed", "void"];

const model = { show: null, order: null, tally: null };
const clock = new ServerClock();
const language = new Language(WORDS, location.search);
const overlay = document.documentElement.classList.contains("overlay");
const by = (id) => document.getElementById(id);
const wall = by("wall");
const moment = new Moment(by("hairpin"), by("seconds"), by("peak"), language, overlay);
const question = new QuestionScene(by, language);
const waiting = new WaitingScene(by, language, location.search);
const leaders = new LeadersScene(by, language, overlay);
const winner = new WinnerScene(by, language);

function scene() {
  const ended_ms = rememberedEnd(sessionStorage, model.order);
  return sceneOf(model.order, model.tally, ended_ms, clock.now());
}

function render() {
  if (!model.show || !model.order) return;
  const shown = scene();
  wall.dataset.scene = shown;
  by("waiting").hidden = shown !== "waiting";
  by("question").hidden = !QUESTION_SCENES.includes(shown);
  by("leaders").hidden = shown !== "leaders";
  by("winner").hidden = shown !== "winner";
  header(shown);
  if (QUESTION_SCENES.includes(shown)) question.show(model, shown);
  if (shown === "waiting") waiting.show(model);
  if (shown === "leaders") leaders.show(model);
  if (shown === "winner") winner.show(model);
  moment.show(model, shown);
}

function header(shown) {
  const { show, order, tally } = model;
  document.title = `${language.put(by("title"), show.title)}: Hairpin`;
  const asked = QUESTION_SCENES.includes(shown) ? order.question : null;
  by("place").textContent = asked ? language.say("question_of", { n: asked.index + 1, of: asked.of }) : "";
  const [word, kind] = asked ? badge(shown, countsOf(order, tally)) : ["", ""];
  by("badge").textContent = word;
  by("badge").dataset.kind = kind;
}

function badge(shown, counts) {
  if (shown === "void") return [language.say("void"), "void"];
  if (counts?.status.startsWith("approximate")) return [approximate(counts.status), "provisional"];
  if (shown === "open" || !counts) return ["", ""];
  const final = counts.status === "final";
  if (shown === "closed" && !final) return [language.say("counting"), "provisional"];
  if (!final) return [language.say("provisional"), "provisional"];
  return counts.version > 1 ? [language.say("corrected"), "corrected"] : [language.say("final"), "final"];
}

// "approximate: memcached, stale": which engine, and whether its numbers stand still.
function approximate(status) {
  const [engine, stale] = status.replace("approximate: ", "").split(", ");
  return language.say(stale ? "approximate_stale" : "approximate", { engine });
}

// What changes with time alone.
function tick() {
  if (model.show && model.order) {
    if (wall.dataset.scene !== scene()) render();
    const wait_ms = model.order.next_at === null ? null : model.order.next_at - clock.now();
    const between = ["revealed", "void"].includes(wall.dataset.scene) && wait_ms > 0;
    by("next").textContent = between ? language.say("next_in", { time: language.clock(wait_ms) }) : "";
    waiting.tick(wait_ms);
    question.tick();
  }
}

function received(name, data) {
  const now = Date.now();
  if (name === "order") {
    clock.observe(now, now, data.now);
    rememberEnd(sessionStorage, model.order, data, clock.now());
  }
  if (name === "tally") clock.observe(now, now, data.at);
  if (!(name in model)) return;
  model[name] = data;
  if (name === "show") {
    language.use(data.languages);
    document.documentElement.lang = language.own;
    setAccent(document.documentElement, data.accent);
  }
  render();
}

function line(state) {
  by("line").dataset.line = state;
  const words = { lost: "reconnecting", refused: "refused" }[state];
  by("line").textContent = words ? language.say(words) : "";
}

follow(streamAddress("wall", location.search), { event: received, line });
setInterval(tick, 200);
moment.animate(clock);
