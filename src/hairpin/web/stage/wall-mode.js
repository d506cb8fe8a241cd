// Runs before the first paint: an overlay must never flash a dark ground over the pictures.
if (new URLSearchParams(location.search).get("overlay") === "1") {
  document.documentElement.classList.add("overlay");
}
