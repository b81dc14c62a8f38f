// The lines of the list: a problem and who answered it, with all of its samples. Nothing here touches the document.
const groups = (() => {
  const DEFAULTS = {
    student: "", set: "", verdict: "", fate: "", right: "", wrong: "", by: "most", q: "", sort: "", page: "1",
    of: "", in: "", problem: "", sample: "",
  };
  const SORTS = {
    least: (one, other) => share(one) - share(other),
    most: (one, other) => share(other) - share(one),
    longest: (one, other) => other.tokens - one.tokens,
    shortest: (one, other) => one.tokens - other.tokens,
  };

  function share(group) {
    return group.scored ? group.right / group.scored : 2; // unscored ones go after all others, and first in reverse
  }

  // A student by its name, with the effort whose prompt it had; a teacher by its stage, in a pool with the effort too.
  function name(part, model, effort, severalTeach) {
    if (part.startsWith("exam@")) return effort ? `${model}, ${effort}` : model;
    const stage = part.startsWith("pool@") ? `${part}, ${effort}` : part;
    return severalTeach ? `${stage}, ${model}` : stage;
  }

  function made(table) {
    const rows = table.columns;
    const isExam = rows.part.map((part) => part.startsWith("exam@"));
    const severalTeach = new Set(rows.model.filter((_, row) => !isExam[row])).size > 1;
    const known = new Map();
    for (let row = 0; row < rows.part.length; row++) {
      const who = name(rows.part[row], rows.model[row], rows.effort[row], severalTeach);
      const key = `${rows.problem[row]} ${who}`;
      let group = known.get(key);
      if (!group) {
        group = {
          who, isExam: isExam[row], set: (isExam[row] ? "exam " : "source ") + (rows.set[row] ?? ""), problem: rows.problem[row],
          part: rows.part[row], model: rows.model[row], effort: rows.effort[row], rows: [], right: 0, scored: 0, tokens: 0,
        };
        known.set(key, group);
      }
      group.rows.push(row);
      if (rows.right[row] !== null) group.scored++;
      if (rows.right[row]) group.right++;
      group.tokens += rows.tokens[row] ?? 0;
    }
    const all = [...known.values()];
    for (const group of all) group.tokens /= group.rows.length;
    const place = new Map(table.students.map((student, at) => [student, at]));
    const order = (group) => place.get(group.isExam ? group.model : "") ?? place.size;
    const compare = new Intl.Collator("en", { numeric: true }).compare;
    // Exams first, and in them each problem's students together.
    return all.sort((one, other) => other.isExam - one.isExam || compare(one.set, other.set) || one.problem - other.problem
      || order(one) - order(other) || compare(one.who, other.who));
  }

  // Students of the exams and teachers, in the order of the list.
  function names(all) {
    const found = { exam: new Set(), source: new Set() };
    for (const group of [...all].sort((one, other) => one.problem - other.problem)) found[group.isExam ? "exam" : "source"].add(group.who);
    return { exam: [...found.exam], source: [...found.source].sort() };
  }

  const solved = (group, by) => by === "any" ? group.right > 0 : 2 * group.right > group.scored;

  // The problems that `right` solves and `wrong` does not, each where it is named; null where neither is.
  function compared(all, { right, wrong, by }) {
    if (!right && !wrong) return null;
    const solves = (who, wanted) => new Set(all.filter((group) => group.isExam && group.who === who && group.scored
      && solved(group, by) === wanted).map((group) => group.problem));
    const first = right ? solves(right, true) : null;
    const second = wrong ? solves(wrong, false) : null;
    return first && second ? new Set([...first].filter((each) => second.has(each))) : first ?? second;
  }

  // [group, its rows that match] in the order that `state` asks for. `hit(row)` says whether a text holds the words.
  function matching(all, table, state, hit) {
    const rows = table.columns;
    const problems = compared(all, state);
    const students = state.student ? [state.student] : [state.right, state.wrong].filter(Boolean);
    const isRow = (row) => (!state.verdict || rows.verdict[row] === state.verdict)
      && (!state.fate || (rows.fate[row] ?? "").split("; ").includes(state.fate));
    const found = [];
    for (const group of all) {
      if (students.length && !students.includes(group.who)) continue;
      if (state.set && group.set !== state.set) continue;
      if (problems && !problems.has(group.problem)) continue;
      const matches = group.rows.filter((row) => isRow(row) && hit(row));
      if (matches.length) found.push([group, matches]);
    }
    const by = SORTS[state.sort];
    return by ? found.sort(([one], [other]) => by(one, other)) : found;
  }

  function tally(group) {
    const missing = group.rows.length - group.scored;
    return [group.scored && `${group.right} of ${group.scored} right`, missing && `${missing} unscored`].filter(Boolean).join(", ");
  }

  // How often each answer was given, the most frequent first.
  function answers(group, table) {
    const counts = new Map();
    for (const row of group.rows) {
      const answer = table.columns.answer[row] ?? "none";
      counts.set(answer, (counts.get(answer) ?? 0) + 1);
    }
    return [...counts].sort(([, one], [, other]) => other - one);
  }

  // The state as a link holds it: what differs from the beginning.
  function encode(state) {
    const kept = Object.entries(state).filter(([key, value]) => value !== DEFAULTS[key]);
    return kept.length ? `#${new URLSearchParams(kept)}` : "#show=all";
  }

  // The state of a link; null where it is a link to a part of the page.
  function decode(hash) {
    if (hash && !hash.includes("=")) return null;
    const given = new URLSearchParams(hash.slice(1));
    return Object.fromEntries(Object.entries(DEFAULTS).map(([key, value]) => [key, given.get(key) ?? value]));
  }

  return { DEFAULTS, made, names, compared, matching, tally, answers, encode, decode };
})();
