// What the console knows, and what can be done next. Nothing here touches the page.

export const LAG_TROUBLE_MS = 2_000; // the stage promises the result within seconds
export const REPORT_TROUBLE_MS = 5_000; // gates report about twice a second

export class Model {
  show = null;
  order = null;
  tally = null;
  /** ms between the oldest answer of the last snapshot and its arrival here; null: it added none. */
  lag_ms = null;
  chosen = null;

  take(name, data, now_ms) {
    if (!["show", "order", "tally"].includes(name)) return;
    const before = this.order?.question?.index ?? null;
    this[name] = data;
    if (name === "tally") this.lag_ms = data.oldest_at === null ? null : Math.max(0, now_ms - data.oldest_at);
    const current = this.order?.question?.index ?? null;
    if (name === "order" && (this.chosen === null || current !== before)) this.chosen = current ?? 0;
  }

  get ready() {
    return this.show !== null && this.order !== null;
  }

  get cues() {
    return this.order.upcoming;
  }

  /** The question on show. */
  get current() {
    return this.order.question ? this.cues[this.order.question.index] : null;
  }

  cue(state) {
    return this.cues.find((cue) => cue.state === state) ?? null;
  }

  /** The questions that each key would move now, or null: {open, close, reveal}. */
  get steps() {
    const open = this.cue("open");
    const closed = this.cues.filter((cue) => cue.state === "closed");
    return { open: open ? null : this.cue("waiting"), close: open, reveal: closed.at(-1) ?? null };
  }

  /** By the clock, while a question waits for it: "armed" or "held". Else null. */
  get clock() {
    if (this.order.mode !== "clock" || this.cue("waiting") === null) return null;
    return this.order.armed ? "armed" : "held";
  }

  get mayAnnounce() {
    return this.order.state === "over" && !this.order.contenders;
  }

  counts(index) {
    return this.tally?.questions.find((counts) => counts.index === index) ?? null;
  }

  choose(step) {
    this.chosen = Math.min(this.cues.length - 1, Math.max(0, this.chosen + step));
  }
}

/** The order of words that a question may still take after it was asked: void, correct. */
export function repairs(cue) {
  return {
    void: cue.state !== "void",
    correct: ["waiting", "closed", "revealed"].includes(cue.state) && cue.right !== 0,
  };
}
