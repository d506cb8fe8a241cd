// The console: what the producer sees and does. Events in, steps out; the page follows `model`.

import { ServerClock } from "/shared/clock.js";
import { setAccent } from "/shared/colour.js";
import { Armed } from "/console-armed.js";
import { AskDialog } from "/console-ask.js";
import { HoldButton, StepButtons } from "/console-buttons.js";
import { Claims } from "/console-claims.js";
import { Gates, Gauges } from "/console-gauges.js";
import { Keys } from "/console-keys.js";
import { Model, repairs } from "/console-model.js";
import { NowPart } from "/console-now.js";
import { OrderList } from "/console-order.js";
import { TwoSteps } from "/console-steps.js";
import { WORDS } from "/console-words.js";
import { follow, streamAddress } from "/stage-events.js";
import { Language } from "/stage-language.js";

const model = new Model();
const clock = new ServerClock();
const language = new Language(WORDS, location.search);
const by = (id) => document.getElementById(id);
const steps = new TwoSteps(by, language);
const ask = new AskDialog(by, language, steps);
const now = new NowPart(by, language);
const armed = new Armed(by, language);
const buttons = new StepButtons(by, language, steps);
const hold = new HoldButton(by, language, steps);
const order = new OrderList(by, language, ask);
const gauges = new Gauges(by, language);
const gates = new Gates(by, language);
const claims = new Claims(by, language, steps, ask);
const press = (name) => () => model.ready && buttons.press(name, model);
const keys = new Keys(by, language, {
  confirm: () => steps.confirm(),
  cancel: () => steps.cancel(),
  choose: (move) => choose(model.chosen + move),
  letters: {
    o: press("open"), c: press("close"), r: press("reveal"), a: press("announce"),
    h: () => model.ready && hold.press(model, clock.now()),
    v: () => repair("void"), k: () => repair("correct"),
  },
});
const line = { state: "connecting", since_ms: Date.now() };

function choose(index) {
  if (!model.ready) return;
  model.choose(index - model.chosen);
  order.show(model, choose);
}

function repair(name) {
  const cue = model.ready ? model.cues[model.chosen] : null;
  if (cue && repairs(cue)[name]) ask[name](cue);
}

function render(name) {
  if (!model.ready) return;
  document.title = `${language.put(by("title"), model.show.title)}: ${language.say("title")}`;
  by("mode").textContent = language.say(`mode_${model.order.mode}`);
  armed.show(model.order.permission);
  now.show(model);
  buttons.show(model);
  hold.show(model, () => clock.now());
  order.show(model, choose);
  gauges.show(model);
  gates.show(model, clock.now());
  if (name !== "tally") claims.show(model);
  tick();
}

function received(name, data) {
  const at = Date.now();
  if (name === "order") clock.observe(at, at, data.now);
  if (name === "tally") clock.observe(at, at, data.at);
  model.take(name, data, clock.now());
  if (name === "show") {
    language.use(data.languages);
    document.documentElement.lang = language.own;
    setAccent(document.documentElement, data.accent);
    labels();
  }
  render(name);
}

// Words that stand still.
function labels() {
  const words = {
    page: "title", "wall-link": "wall", "order-title": "order", "gauges-title": "gauges",
    "refused-title": "refused_reasons", "gates-title": "gates", "claims-title": "claims",
    "sure-yes": "confirm", "sure-no": "cancel",
  };
  for (const [id, key] of Object.entries(words)) by(id).textContent = language.say(key);
  keys.show();
  showLine();
}

function tick() {
  if (!model.ready) return;
  by("clock").textContent = language.time(clock.now());
  now.tick(model, clock.now());
}

function lineChanged(state) {
  // Between two attempts it stays lost, and since when is what counts.
  if (state === "connecting" || state === line.state) return;
  line.state = state;
  line.since_ms = Date.now();
  showLine();
}

function showLine() {
  const words = { live: "live", connecting: "connecting", lost: "lost_short", refused: "lost_short" };
  by("line").textContent = language.say(words[line.state]);
  by("line").dataset.line = line.state;
  document.body.dataset.line = line.state;
  const loud = line.state === "lost" || line.state === "refused";
  by("banner").textContent = loud ? language.say(line.state, { time: language.time(line.since_ms) }) : "";
}

labels();
follow(streamAddress("console", location.search), { event: received, line: lineChanged });
setInterval(tick, 200);
setInterval(() => model.ready && gates.show(model, clock.now()), 1000);
