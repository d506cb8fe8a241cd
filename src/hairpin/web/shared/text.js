// Texts of the show: {language: string}, with a fallback that a screen reader is told about.

/** The best `{words, language}` of a Text for one of `wanted`, most wanted first. */
export function pick(text, wanted) {
  for (const language of wanted) {
    const base = language.split("-")[0];
    for (const found of [language, base, ...Object.keys(text).filter((key) => key.split("-")[0] === base)]) {
      if (text[found]) return { words: text[found], language: found };
    }
  }
  const [language, words] = Object.entries(text)[0] ?? ["", ""];
  return { words, language };
}

/** Left to right or right to left, as a language is written. */
export function direction(language) {
  return /^(ar|dv|fa|he|ku-arab|ps|sd|ug|ur|yi)\b/i.test(language) ? "rtl" : "ltr";
}
