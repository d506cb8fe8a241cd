// Server-sent events of the private listener, for wall and console.
//
// EventSource would hide the comment lines that keep the line awake, and so a line that died
// without a word would look like a quiet show. Read by hand, silence is noticed and an answer such
// as 401 is known by its status.

export const SILENCE_MS = 25_000; // the server says something at least every 10 s
const WAIT_FIRST_MS = 500;
const WAIT_MAX_MS = 5_000;
const REFUSED = new Set([401, 403]);

/** Bytes in, events out: `push` returns the `{event, data}` that became complete. */
export class EventParser {
  #rest = "";
  #event = "";
  #data = [];

  push(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/); // a last CR may be half of CR LF
    this.#rest = lines.pop();
    const events = [];
    for (const line of lines) {
      if (line !== "") this.#field(line);
      else if (this.#data.length > 0) events.push(this.#take());
    }
    return events;
  }

  #field(line) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);
    if (name === "event") this.#event = value;
    else if (name === "data") this.#data.push(value);
  }

  #take() {
    const complete = { event: this.#event || "message", data: this.#data.join("\n") };
    this.#event = "";
    this.#data = [];
    return complete;
  }
}

/**
 * Follows `address` for as long as the page lives.
 *
 * `on.event(name, data)` gets each event with its JSON read; `on.line(state)` gets "connecting",
 * "live", "lost" (trying again) or "refused" (no valid token; a reload with one is needed).
 */
export async function follow(address, on) {
  on.line("connecting");
  for (let failures = 0; ; failures += 1) {
    const began = performance.now();
    on.line(await readOnce(address, on));
    if (performance.now() - began > SILENCE_MS) failures = 0;
    const longest = Math.min(WAIT_MAX_MS, WAIT_FIRST_MS * 2 ** failures);
    await new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)));
  }
}

// One connection, from its beginning to its end; returns what the line is then.
async function readOnce(address, on) {
  const stop = new AbortController();
  let watchdog = setTimeout(() => stop.abort(), SILENCE_MS);
  try {
    const reply = await fetch(address, {
      headers: { Accept: "text/event-stream" }, cache: "no-store", signal: stop.signal,
    });
    if (!reply.ok) return REFUSED.has(reply.status) ? "refused" : "lost";
    on.line("live");
    const parser = new EventParser();
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return "lost";
      clearTimeout(watchdog);
      watchdog = setTimeout(() => stop.abort(), SILENCE_MS);
      for (const { event, data } of parser.push(value)) on.event(event, JSON.parse(data));
    }
  } catch (problem) {
    if (!(problem instanceof TypeError || problem.name === "AbortError")) console.error(problem);
    return "lost";
  } finally {
    clearTimeout(watchdog);
    stop.abort();
  }
}

/** The address of a stream; a token that the page was opened with (OBS) goes along. */
export function streamAddress(name, search) {
  const token = new URLSearchParams(search).get("token");
  return `/events/${name}${token === null ? "" : `?token=${encodeURIComponent(token)}`}`;
}
