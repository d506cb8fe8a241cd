// The phone's page: what it knows, and which view stands for it.

import { ServerClock } from "/shared/clock.js";
import { setAccent } from "/shared/colour.js";
import { el, say } from "/shared/dom.js";
import { direction } from "/shared/text.js";

import { Answers } from "./answers.js";
import { claimState, claimView } from "./claim.js";
import { joinView } from "./join.js";
import { Language, named, offered, preset } from "./language.js";
import { Poll, jitter, read, rest } from "./net.js";
import { questionView } from "./question.js";
import { rank, score, waitingView } from "./score.js";
import { Store } from "./store.js";

const TICK_MS = 250;
const RANKS_TRIES = 4;
const $ = (id) => document.getElementById(id);

class Phone {
  clock = new ServerClock();
  now = null;
  ranks = null;
  online = true;
  #views = {};
  #revealed = "";
  #ranked = "";
  #said = "";

  constructor(show) {
    this.show = show;
    this.store = new Store(show.show, () => this.answers.resume());
    this.answers = new Answers(this.store, () => this.update());
  }

  start() {
    setAccent(document.documentElement, this.show.accent);
    this.#speak(this.store.data.language ?? preset(this.show));
    new Poll(this.clock, (now) => this.#fresh(now), (times) => this.#trouble(times)).run();
    this.answers.resume();
    setInterval(() => this.update(), TICK_MS);
    addEventListener("online", () => this.#trouble(0));
    addEventListener("offline", () => this.#trouble(2));
  }

  score() {
    return score(this.now?.past ?? [], (question) => this.answers.of(question), this.show.floor_ms);
  }

  /** Was another answer right when this question was first revealed here? */
  corrected(question) {
    const first = this.store.about("rights", question.index, question.opened_at);
    const last = this.now.past.find((one) => one.index === question.index);
    return Boolean(first && last) && first.right !== last.right;
  }

  /** A new ticket begins from nothing; only an answer to the open question is sent with it. */
  joined({ ticket, claim }, country) {
    const opened = this.now?.state === "open" ? this.now.question.opened_at : null;
    this.store.change((data) => {
      Object.assign(data, { ticket, claim, country, unknownTicket: false, claimed: false });
      for (const [index, answer] of Object.entries(data.answers)) {
        if (answer.state !== "sending" || answer.opened !== opened) delete data.answers[index];
      }
    });
    this.answers.resume();
    this.announce(this.language.words.ready);
  }

  /** For screen readers, politely and once. */
  announce(words) {
    if (words === this.#said) return;
    this.#said = words;
    $("live").textContent = words;
  }

  update() {
    this.#stand("claim", claimState(this), (state) => claimView(this, state));
    this.#stand("main", this.#viewName(), (name) => this.#view(name));
    this.#banner();
  }

  #viewName() {
    const { ticket, unknownTicket } = this.store.data;
    if (!ticket || unknownTicket) return `join ${unknownTicket}`;
    const question = this.now?.question;
    return question ? `question ${question.index} ${question.opened_at}` : "waiting";
  }

  #view(name) {
    document.documentElement.dataset.mood = "";
    if (name.startsWith("join")) return joinView(this);
    if (name === "waiting") return waitingView(this);
    return questionView(this);
  }

  // Puts the view of this name into its place; the same view again is only brought up to date.
  #stand(place, name, make) {
    const old = this.#views[place];
    const key = name && `${this.language.tag} ${name}`;
    if (old?.key !== key) {
      const held = $(place).contains(document.activeElement);
      const view = name && make(name);
      $(place).replaceChildren(...(view ? [view.element] : []));
      this.#views[place] = { key, view };
      scrollTo(0, 0);
      if (held) $(place).querySelector("[tabindex='-1']")?.focus();
    }
    this.#views[place].view?.update();
  }

  #banner() {
    const { words } = this.language;
    const waiting = this.store.data.unknownTicket ? [] : this.answers.pending(this.now?.question);
    const lines = waiting.map((number) => words.sendingPast(this.language.number(number)));
    if (!this.online) lines.push(words.noAnswer);
    if (!this.store.lasting) lines.push(words.noMemory);
    say($("banner"), lines.join(" "));
  }

  #speak(tag) {
    this.language = new Language(tag, this.show);
    const { base, words } = this.language;
    Object.assign(document.documentElement, { lang: base, dir: direction(base) });
    this.language.put($("title"), this.show.title);
    document.title = $("title").textContent;
    const options = offered(this.show).map((one) =>
      el("option", { value: one, lang: one, selected: one === tag }, named(one, "language", one)),
    );
    const select = el("select", { "aria-label": words.language, onchange: () => this.#choose(select.value) }, ...options);
    $("language").replaceChildren(select);
    this.update();
  }

  #choose(tag) {
    this.store.change((data) => (data.language = tag));
    this.#speak(tag);
    $("language").firstChild.focus();
  }

  #fresh(now) {
    if (now.show !== this.show.show) return this.#otherShow();
    this.now = now;
    this.#remember(now.past);
    const revealed = now.past.map((one) => `${one.index}${one.state}${one.version}`).join();
    if (revealed !== this.#revealed) {
      this.#revealed = revealed;
      this.#askRanks(revealed, now.spread_ms);
    }
    return this.update();
  }

  #remember(past) {
    const fresh = past.filter((one) => one.state === "revealed" && !this.store.about("rights", one.index, one.opened_at));
    if (!fresh.length) return;
    this.store.change((data) => {
      for (const one of fresh) data.rights[one.index] = { opened: one.opened_at, right: one.right };
    });
  }

  // The histogram may come a little after the reveal: ask again while it does not know our score.
  async #askRanks(revealed, spread_ms) {
    const own = JSON.stringify(this.score());
    if (own !== this.#ranked) this.ranks = null;
    this.#ranked = own;
    for (let n = 0; n < RANKS_TRIES && this.score().counted; n++) {
      await rest(Math.random() * spread_ms + (n ? jitter(n) : 0));
      const reply = await read("/ranks");
      if (revealed !== this.#revealed) return;
      if (!reply || rank(reply.body, this.score()) === null) continue;
      this.ranks = reply.body;
      this.update();
      return;
    }
  }

  async #otherShow() {
    await rest(jitter(2));
    location.reload();
  }

  #trouble(times) {
    this.online = times < 2;
    this.update();
  }
}

async function begin() {
  for (let n = 0; ; n++) {
    const show = await read("/show.json");
    if (show) return new Phone(show.body).start();
    await rest(jitter(n));
  }
}

begin();
