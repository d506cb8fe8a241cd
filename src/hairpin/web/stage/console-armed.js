// On what grounds the show is armed. An override stays in sight: whoever sits here should know it.

export class Armed {
  #by;
  #language;

  constructor(by, language) {
    this.#by = by;
    this.#language = language;
  }

  show(permission) {
    const place = this.#by("armed");
    place.hidden = !permission;
    if (!permission) return;
    const { grounds, certificate, certified_ms, reason, lacking } = permission;
    const date = new Date(certified_ms ?? 0).toLocaleDateString(this.#language.own);
    place.textContent = this.#language.say(`armed_${grounds}`, { id: certificate, date, reason });
    place.dataset.grounds = grounds;
    place.title = lacking;
  }
}
