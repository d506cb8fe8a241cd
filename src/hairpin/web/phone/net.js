// Asking again, as rarely as the server allows, and spread so that a million phones never knock
// together.

const BASE_MS = 1_000;
const CAP_MS = 10_000;
const PATIENCE_MS = 8_000;
const WAKE_SPREAD_MS = 1_000;
const SHORTEST_MS = 500;
const PERIOD_MS = 2_000; // where nothing is scheduled
const AHEAD_MS = 500;
const LONGEST_MS = 60_000;

/** Milliseconds before try number `n` (from 0) is repeated. */
export function jitter(n) {
  return Math.random() * Math.min(CAP_MS, BASE_MS * 2 ** n);
}

/** Rests for `ms`; less when network or eyes come back, but never less than `least_ms`. */
export function rest(ms, least_ms = 0) {
  return new Promise((done) => {
    const begun = performance.now();
    let timer = setTimeout(finish, ms);
    function wake() {
      if (document.hidden) return;
      const gone_ms = performance.now() - begun;
      clearTimeout(timer);
      timer = setTimeout(finish, Math.min(ms, Math.max(least_ms, gone_ms) + Math.random() * WAKE_SPREAD_MS) - gone_ms);
    }
    function finish() {
      removeEventListener("online", wake);
      document.removeEventListener("visibilitychange", wake);
      done();
    }
    addEventListener("online", wake);
    document.addEventListener("visibilitychange", wake);
  });
}

// Resolves when, or a little after, somebody can see the page.
function seen() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((done) => {
    document.addEventListener("visibilitychange", function look() {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", look);
      setTimeout(done, Math.random() * WAKE_SPREAD_MS);
    });
  });
}

// A Response, or null where none came in time.
async function ask(path, options = {}) {
  try {
    return await fetch(path, { credentials: "omit", signal: deadline(), ...options });
  } catch {
    return null;
  }
}

/** POST, with a JSON body or, as the hot set wants it, none. */
export function post(path, json) {
  const headers = json ? { "Content-Type": "application/json" } : {};
  return ask(path, { method: "POST", cache: "no-store", keepalive: true, headers, body: json && JSON.stringify(json) });
}

/** A JSON document, when it was asked for and came, and its Date; null where there is none now. */
export async function read(path) {
  const sent = Date.now();
  const reply = await ask(path);
  const received = Date.now();
  if (!reply?.ok) return null;
  const date = Date.parse(reply.headers.get("Date")) || 0;
  return reply.json().then((body) => ({ body, sent, received, date }), () => null);
}

/** Sends until `settle(reply)` returns something; no reply is null. */
export async function until(send, settle) {
  for (let n = 0; ; n++) {
    const reply = await send(n);
    const settled = await settle(reply);
    if (settled !== undefined) return settled;
    const least_ms = (Number(reply?.headers.get("Retry-After")) || 0) * 1_000;
    await rest(least_ms + jitter(n), least_ms);
  }
}

function deadline() {
  const control = new AbortController();
  setTimeout(() => control.abort(), PATIENCE_MS);
  return control.signal;
}

/** Reads /now again and again; each reply says when to ask next. */
export class Poll {
  #clock;
  #fresh;
  #trouble;
  #newest_ms = 0;

  /** `fresh(now)` gets every new document, `trouble(times)` the failures in a row, 0 when over. */
  constructor(clock, fresh, trouble) {
    this.#clock = clock;
    this.#fresh = fresh;
    this.#trouble = trouble;
  }

  async run() {
    for (let failures = 0; ; ) {
      await seen(); // a page that nobody looks at asks nothing
      const reply = await read("/now");
      if (!reply) {
        this.#trouble(++failures);
        await rest(jitter(failures - 1));
        continue;
      }
      if (failures) this.#trouble((failures = 0));
      this.#take(reply);
      await rest(this.#wait(reply.body));
    }
  }

  // The ETag names the state, not the second: after a 304 `now` is old, and only Date is new.
  #take({ body, sent, received, date }) {
    if (body.now > this.#newest_ms || date > this.#clock.now()) this.#clock.observe(sent, received, Math.max(body.now, date));
    if (body.now <= this.#newest_ms) return;
    this.#newest_ms = body.now;
    queueMicrotask(() => this.#fresh(body)); // a mistake in a view must not end the asking
  }

  // From the moment that the document was made; where that is over, until shortly before what comes.
  #wait({ state, next_at, now, poll_after_ms, spread_ms }) {
    const server_ms = this.#clock.now();
    let wait_ms = now + poll_after_ms - server_ms;
    if (wait_ms <= 0) {
      const soon = next_at === null || state === "open" || state === "closed";
      wait_ms = soon ? PERIOD_MS : Math.min(next_at - AHEAD_MS - server_ms, LONGEST_MS);
    }
    return Math.max(SHORTEST_MS, wait_ms) + Math.random() * spread_ms;
  }
}
