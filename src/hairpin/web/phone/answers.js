// One answer per question: locked before it is sent, and sent until the gate has said its word.

import { backOff, post } from "./net.js";

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
    if (this.of(question)) return;
    const elapsed = Math.min(ELAPSED_MAX_MS, Math.round(this.#elapsed_ms(question)));
    this.#store.change((data) => {
      data.answers[question.index] = { opened: question.opened_at, choice, elapsed, state: "sending" };
    });
    this.resume();
  }

  /** Goes on sending whatever has no outcome yet, after a reload for example. */
  resume() {
    for (const [index, answer] of Object.entries(this.#store.data.answers)) {
      if (answer.state === "sending" && !this.#running.has(index)) this.#send(index);
    }
    this.#changed();
  }

  /** The numbers of questions, other than this one, whose answers are still on their way. */
  pending(question) {
    return Object.entries(this.#store.data.answers)
      .filter(([index, { state }]) => state === "sending" && Number(index) !== question?.index)
      .map(([index]) => Number(index) + 1);
  }

  #elapsed_ms(question) {
    this.shown(question);
    return performance.now() - this.#since.get(question.opened_at);
  }

  async #send(index) {
    this.#running.add(index);
    for (let n = 0; ; n++) {
      const { ticket, unknownTicket, answers } = this.#store.data;
      const answer = answers[index];
      if (answer?.state !== "sending" || !ticket || unknownTicket) break;
      this.tries[index] = n + 1;
      this.#changed();
      const reply = await post(`/a/${ticket}/${hex(index, 2)}${hex(answer.choice, 2)}${hex(answer.elapsed, 7)}`);
      if (this.#settle(index, answer, ticket, reply)) break;
      await backOff(reply, n);
    }
    this.#running.delete(index);
    this.#changed();
  }

  #settle(index, sent, ticket, reply) {
    const state = OUTCOMES[reply?.status];
    if (!state && reply?.status !== 401) return false;
    this.#store.change((data) => {
      if (data.ticket !== ticket) return; // joined again meanwhile, in another tab
      const answer = data.answers[index];
      if (state && answer?.opened === sent.opened) answer.state = state;
      if (!state) data.unknownTicket = true;
    });
    return true;
  }
}

function hex(number, digits) {
  return Number(number).toString(16).padStart(digits, "0");
}
