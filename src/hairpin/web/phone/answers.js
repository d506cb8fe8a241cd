// One answer per question: locked before it is sent, and sent until the gate has said its word.

import { post, until } from "./net.js";

const ELAPSED_MAX_MS = 0xfffffff;

// What a reply makes of an answer; every other reply, and none, means: try again.
const OUTCOMES = { 204: "counted", 410: "late", 400: "refused", 404: "refused" };

export class Answers {
  #store;
  #changed;
  #running = new Set();
  #since = new Map();
  tries = {};

  constructor(store, changed) {
    this.#store = store;
    this.#changed = changed;
  }

  /** The answer given to this question, or null. */
  of(question) {
    return this.#store.about("answers", question.index, question.opened_at);
  }

  /** This question stands on the screen now. A reload does not turn its time back. */
  shown(question) {
    const opened = question.opened_at;
    if (this.#since.has(opened)) return;
    const kept = this.#store.about("shown", question.index, opened);
    this.#since.set(opened, performance.now() - (kept ? Math.max(0, Date.now() - kept.at) : 0));
    if (kept) return;
    this.#store.change((data) => {
      data.shown[question.index] = { opened, at: Date.now() };
    });
  }

  /** Locks `choice` (a bit mask), once and for all, and begins to send it. */
  choose(question, choice) {
    const { index, opened_at: opened } = question;
    this.shown(question);
    const elapsed = Math.min(ELAPSED_MAX_MS, Math.round(performance.now() - this.#since.get(opened)));
    this.#store.change(({ answers }) => {
      if (answers[index]?.opened === opened) return; // another tab was faster
      answers[index] = { opened, choice, elapsed, state: "sending" };
    });
    this.resume();
  }

  /** Goes on sending whatever has no outcome yet, after a reload for example. */
  resume() {
    const { ticket, unknownTicket, answers } = this.#store.data;
    const due = Object.keys(answers).filter((at) => answers[at].state === "sending" && !this.#running.has(at));
    if (ticket && !unknownTicket) due.forEach((index) => this.#send(index));
    this.#changed();
  }

  /** The numbers of questions, other than this one, whose answers are still on their way. */
  pending(question) {
    return Object.entries(this.#store.data.answers)
      .filter(([index, { state }]) => state === "sending" && Number(index) !== question?.index)
      .map(([index]) => Number(index) + 1);
  }

  async #send(index) {
    this.#running.add(index);
    const { ticket, answers } = this.#store.data;
    const { opened, choice, elapsed } = answers[index];
    const path = `/a/${ticket}/${hex(index, 2)}${hex(choice, 2)}${hex(elapsed, 7)}`;
    await until(
      (n) => {
        this.tries[index] = n + 1;
        this.#changed();
        return post(path);
      },
      (reply) => this.#settle(index, opened, ticket, reply),
    );
    this.#running.delete(index);
    this.resume();
  }

  // Notes what a reply means; undefined as long as it means: try again.
  #settle(index, opened, ticket, reply) {
    const now = this.#store.data;
    if (now.ticket !== ticket || now.answers[index]?.opened !== opened) return "overtaken";
    const state = reply?.status === 401 ? "unknown" : OUTCOMES[reply?.status];
    if (!state) return undefined;
    this.#store.change((data) => {
      if (state === "unknown") data.unknownTicket = true;
      else data.answers[index].state = state;
    });
    return state;
  }
}

function hex(number, digits) {
  return Number(number).toString(16).padStart(digits, "0");
}
