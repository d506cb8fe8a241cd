// What a phone remembers about one show. Where the browser allows no storage, memory must do.

const EMPTY = {
  ticket: null,
  claim: null,
  band: null,
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

  /** `changed()` is called when another tab of this browser wrote. */
  constructor(show, changed) {
    this.#key = `hairpin.${show}`;
    this.lasting = works();
    this.#read();
    addEventListener("storage", (event) => {
      if (event.key !== this.#key) return;
      this.#read();
      changed();
    });
  }

  /** The only way to change something: read afresh, so that two tabs do not undo each other. */
  change(how) {
    this.#read();
    how(this.data);
    if (!this.lasting) return;
    try {
      localStorage.setItem(this.#key, JSON.stringify(this.data));
    } catch {
      this.lasting = false; // the storage is full or was taken away; go on in memory, and say so
    }
  }

  /** What was kept of one opening of a question; an earlier run of the same show does not count. */
  about(kind, index, opened) {
    const kept = this.data[kind][index];
    return kept?.opened === opened ? kept : null;
  }

  #read() {
    if (!this.lasting) return;
    try {
      this.data = { ...structuredClone(EMPTY), ...JSON.parse(localStorage.getItem(this.#key)) };
    } catch {
      this.data = structuredClone(EMPTY); // not ours to understand: begin again rather than stop
    }
  }
}

function works() {
  try {
    localStorage.setItem("hairpin", "1");
    localStorage.removeItem("hairpin");
    return true;
  } catch {
    return false;
  }
}
