// What an open line shows of each answer: its facts, its reasoning and its text, set when it is first opened.
const cards = (() => {
  const { element } = text;

  function facts(pairs) {
    const made = element("dl");
    for (const [key, value] of pairs) {
      if (value === undefined || value === null || value === "") continue;
      const pair = element("div");
      pair.append(element("dt", key), element("dd", String(value)));
      made.append(pair);
    }
    return made;
  }

  function card(rows, row, [reasoning, content], startsOpen, hits, choose) {
    const verdict = rows.verdict[row] ?? "unscored";
    const made = element("details", undefined, "card");
    const head = element("summary");
    head.append(element("span", verdict.replace("_", " "), verdict), " ", element("b", rows.answer[row] ?? "no answer"), " ",
      element("span", `sample ${rows.sample[row]}, ${(rows.tokens[row] ?? 0).toLocaleString("en")} tokens`, "quiet"));
    made.append(head);
    const show = () => {
      if (made.childElementCount > 1) return;
      made.append(facts([["ended", rows.status[row]], ["found by", rows.extracted_by[row]], ["decided by", rows.decided_by[row]], ["fate", rows.fate[row]]]));
      if (reasoning) made.append(element("h4", "Reasoning"), text.withMath(reasoning, hits));
      made.append(element("h4", "Answer"), content ? text.withMath(content, hits) : element("p", "none", "note"));
    };
    made.open = startsOpen;
    if (startsOpen) show();
    made.addEventListener("toggle", () => { if (made.open) show(); });
    head.addEventListener("click", () => choose(made.open ? "" : String(rows.sample[row])));
    return made;
  }

  return { facts, card };
})();
