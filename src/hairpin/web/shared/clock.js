// The server's clock, as well as a browser can know it.
//
// Caches and networks only make `now` older: the sample in which the server seems furthest ahead is
// the freshest. Half the shortest round trip makes up for the way back. Old samples go, so that a
// phone whose own clock is set recovers.

const SAMPLES_MAX = 6;
const FROM_CACHE_MS = 10; // a reply this quick came from the browser's own cache, or from next door

export class ServerClock {
  #samples = [];
  #offset_ms = 0;

  /** `sent` and `received` by Date.now(), `now` from the reply. */
  observe(sent, received, now) {
    this.#samples.push({ ahead_ms: now - received, trip_ms: received - sent });
    if (this.#samples.length > SAMPLES_MAX) this.#samples.shift();
    const trips = this.#samples.map((one) => one.trip_ms).filter((trip_ms) => trip_ms > FROM_CACHE_MS);
    const back_ms = trips.length ? Math.min(...trips) / 2 : 0;
    this.#offset_ms = Math.max(...this.#samples.map((one) => one.ahead_ms)) + back_ms;
  }

  /** Milliseconds since 1970 by the server's clock. */
  now() {
    return Date.now() + this.#offset_ms;
  }
}
