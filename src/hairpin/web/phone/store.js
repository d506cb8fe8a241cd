// What a phone remembers about one show. Where the browser allows no storage, memory must do.

const EMPTY = {
  ticket: null,
  claim: null,
  country: null,
  language: null,
  unknownTicket: false, // a gate said that it does not know our ticket
  claimed: false,
  // by question index
  answers: {}, // {opened, choice, elapsed, state: sending|counted|late|refused}
  shown: {}, // {opened, at}: when it first stood on this screen
  rights: {}, // {opened, right}: as first revealed, to notice a correction
};

export class Store {
  #key;
  data = structuredClone(EMPTY);
  lasting = true;

  /** `changed()` is called when another tab of this browser wrote. */
  constructor(show, changed) {
    this.#key = `hairpin.${show}`;
    this.change(() => {}); // finds out whether writing works
    addEventListener("storage", (event) => {
      if (event.key !== this.#key) return;
      this.#read();
      changed();
    });
  }

  /** Reads afresh first, so that two tabs do not undo each other. */
  change(how) {
    this.#read();
    how(this.data);
    if (!this.lasting) return;
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.data));
    } catch {
      this.lasting = false; // full or forbidden: go on in memory, and say so
    }
  }

  /** What was kept of this opening of a question; not of an earlier run of the show. */
  about(kind, index, opened) {
    const kept = this.data[kind][index];
    return kept?.opened === opened ? kept : null;
  }

  #read() {
    if (!this.lasting) return;
    try {
      this.data = { ...structuredClone(EMPTY), ...JSON.parse(localStorage.getItem(this.#key)) };
    } catch {
      this.data = structuredClone(EMPTY); // begin again rather than stop
    }
  }
}
