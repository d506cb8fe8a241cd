// Taking a step: press, then confirm. Nothing that cannot be undone happens on one press.

export const CONFIRM_MS = 5_000;
const TOO_SOON_MS = 400; // a double click or a held key is one press, not two

/** Sends one step; returns {ok}, or {ok: false, status, error, remedy}. */
export async function sendStep(step) {
  let reply;
  try {
    reply = await fetch("/api/order", {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-Hairpin": "1" },
      body: JSON.stringify(step),
    });
  } catch {
    return { ok: false, status: 0, error: "", remedy: "" };
  }
  if (reply.ok) return { ok: true };
  const said = await reply.json().catch(() => ({}));
  return { ok: false, status: reply.status, error: said.error ?? reply.statusText, remedy: said.remedy ?? "" };
}

/** The two-step bar: one step waits for its confirmation at a time. */
export class TwoSteps {
  #by;
  #language;
  #waiting = null;
  #timer = 0;
  #since = 0;
  #origin = null;

  constructor(by, language) {
    this.#by = by;
    this.#language = language;
    by("sure-yes").addEventListener("click", () => this.confirm());
    by("sure-no").addEventListener("click", () => this.cancel());
  }

  get waiting() {
    return this.#waiting !== null;
  }

  /** `label`: what is done, in words; `question`: what is asked before. */
  ask(step, label, question) {
    this.#origin = document.activeElement;
    this.#waiting = { step, label };
    this.#since = performance.now();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end("expired"), CONFIRM_MS);
    this.#by("sure-text").textContent = question;
    this.#by("sure").hidden = false;
    const bar = this.#by("sure-time").firstElementChild;
    bar.replaceWith(bar.cloneNode()); // starts its animation anew
    this.#say("");
    this.#by("sure-yes").focus();
  }

  confirm() {
    if (!this.#waiting || performance.now() - this.#since < TOO_SOON_MS) return;
    const { step, label } = this.#waiting;
    this.#end(null);
    this.take(step, label);
  }

  cancel() {
    if (this.#waiting) this.#end("cancelled");
  }

  /** Sends without asking: for dialogs, which have asked already. */
  async take(step, label) {
    this.#say(this.#language.say("sending"));
    const reply = await sendStep(step);
    if (reply.ok) this.#say(this.#language.say("done", { what: label }), "good");
    else if (reply.status === 0) this.#say(this.#language.say("unreachable"), "trouble");
    else this.#say([label, this.#language.say("failed", reply), reply.remedy].filter(Boolean).join(". "), "trouble");
  }

  #end(words) {
    clearTimeout(this.#timer);
    this.#waiting = null;
    const inside = this.#by("sure").contains(document.activeElement);
    this.#by("sure").hidden = true;
    if (inside && this.#origin?.isConnected) this.#origin.focus();
    if (words) this.#say(this.#language.say(words));
  }

  #say(words, kind = "") {
    this.#by("reply").textContent = words;
    this.#by("reply").dataset.kind = kind;
  }
}
