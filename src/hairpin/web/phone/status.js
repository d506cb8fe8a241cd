// What the page says about an answer. It never says more than the phone knows.

/** Where the question on show stands: open | closed | revealed | void. */
export function phaseOf(now, server_ms) {
  const { question, result, past } = now;
  if (past.some((one) => one.index === question.index && one.state === "void")) return "void";
  if (result) return "revealed";
  const over = question.closes_at !== null && server_ms >= question.closes_at;
  return now.state !== "open" || over ? "closed" : "open";
}

/** `{tone, title, detail}` of an answer (null: none) while the result is not known. */
export function statusOf({ phase, answer, question, tries, language, online }) {
  const { words } = language;
  switch (answer?.state) {
    case "sending":
      return { tone: "sending", title: words.sending, detail: trying(tries, words, language, online) };
    case "counted":
      return { tone: "counted", title: words.counted, detail: phase === "closed" ? words.timeUpWhy : "" };
    case "late":
      return { tone: "late", title: words.late, detail: words.lateWhy };
    case "refused":
      return { tone: "late", title: words.refused, detail: words.refusedWhy };
  }
  if (phase === "void") return { tone: "none", title: words.void, detail: words.voidWhy };
  if (phase === "revealed") return { tone: "none", title: words.missed, detail: "" };
  if (phase === "closed") return { tone: "late", title: words.timeUp, detail: words.timeUpWhy };
  return { tone: "none", title: question.multiple ? words.tapSeveral : words.tapOne, detail: "" };
}

/** `{tone, title}` of the verdict after the reveal. */
export function verdictOf({ answer, right, poll, words }) {
  if (poll) return { tone: "poll", title: words.poll };
  switch (answer?.state) {
    case "counted":
      return right ? { tone: "right", title: words.right } : { tone: "wrong", title: words.wrong };
    case "sending":
      return { tone: "sending", title: words.notYet };
    case "late":
      return { tone: "late", title: words.late };
    case "refused":
      return { tone: "late", title: words.refused };
  }
  return { tone: "none", title: words.missed };
}

function trying(tries, words, language, online) {
  if (!online) return words.noAnswer;
  return tries > 1 ? words.sendingTry(language.number(tries)) : "";
}
