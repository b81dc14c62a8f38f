// The browser of traces: a line for each problem and who answered it, which opens to its answers.
(async () => {
  const PAGE = 50;
  const REACH = 70; // letters on each side of a hit
  const SHORT = 8000; // letters: answers that have fewer together are all open
  const REST = 12; // milliseconds of work before the page may answer a key
  const { element } = text;
  const byId = (id) => document.getElementById(id);
  const table = await text.unpack(byId("rows").textContent);
  const rows = table.columns;
  const problems = table.problems;
  const size = rows.part.length;
  const all = groups.made(table);
  const byProblem = problems.map(() => []);
  for (const group of all) byProblem[group.problem].push(group);
  const described = problems.map((each) => `${each.id}\n${each.prompt}\n${each.gold ?? ""}`);
  const form = byId("filters");
  const lines = byId("lines");
  let state = groups.decode(location.hash) ?? { ...groups.DEFAULTS };
  let found = [];
  let search = { hits: null, problems: null, rows: new Set(), share: 1 };
  let panel = {};
  let isTyping = false;

  // Texts lie in blocks of rows, each unpacked when it is first needed.
  const parsed = new Promise((done) => document.readyState === "loading" ? addEventListener("DOMContentLoaded", done) : done());
  const blocks = parsed.then(() => [...document.querySelectorAll("script.block")]);
  const unpacked = [];
  const block = (number) => unpacked[number] ??= blocks.then(async (scripts) => unpacked[number] = await text.unpack(scripts[number].textContent));
  const place = (row) => [Math.floor(row / table.rows_per_block), row % table.rows_per_block];
  const pause = () => new Promise((done) => setTimeout(done));

  async function textsOf(row) {
    const [number, at] = place(row);
    return (await block(number))[at];
  }

  // Looks for the words of the search in all texts, and shows what is found as soon as there is some.
  async function scan() {
    const hits = text.pattern(state.q);
    const mine = search = { hits, problems: null, rows: new Set(), share: hits ? 0 : 1 };
    if (!hits) return list();
    const one = new RegExp(hits.source, "iu");
    mine.problems = described.map((each) => one.test(each));
    rows.answer.forEach((answer, row) => { if (answer && one.test(answer)) mine.rows.add(row); });
    list();
    const number = Math.ceil(size / table.rows_per_block);
    let rested = performance.now();
    let listed = -Infinity;
    let known = mine.rows.size;
    for (let at = 0; at < number; at++) {
      const texts = await block(at);
      texts.forEach(([reasoning, content], row) => {
        if ((reasoning && one.test(reasoning)) || (content && one.test(content))) mine.rows.add(at * table.rows_per_block + row);
      });
      if (search !== mine) return;
      mine.share = (at + 1) / number;
      const now = performance.now();
      if (mine.rows.size > known && now - listed > 250) {
        known = mine.rows.size;
        listed = now;
        list();
      }
      if (now - rested > REST) {
        await pause();
        if (search !== mine) return;
        rested = performance.now();
      }
    }
    list();
  }

  function list() {
    const isHit = (row) => !search.hits || search.problems[rows.problem[row]] || search.rows.has(row);
    found = groups.matching(all, table, state, isHit);
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    const page = Math.min(pages, Math.max(1, Math.floor(Number(state.page)) || 1));
    const counted = new Set(found.map(([group]) => group.problem)).size;
    const traces = found.reduce((sum, [, matches]) => sum + matches.length, 0);
    const number = (count, what) => `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
    byId("count").textContent = `${number(found.length, "line")} of ${number(counted, "problem")}, ${traces.toLocaleString("en")} of ${number(size, "trace")}`
      + (search.share < 1 ? `; searched ${Math.floor(100 * search.share)}%` : "");
    byId("place").textContent = `page ${page} of ${pages}`;
    byId("back").disabled = page === 1;
    byId("next").disabled = page === pages;
    lines.replaceChildren(...found.slice((page - 1) * PAGE, page * PAGE).map(([group, matches]) => line(group, matches)));
    if (search.share === 1) document.documentElement.dataset.listed = state.q;
  }

  function isOpen(group) {
    return state.problem === problems[group.problem].id && state.of === group.who && state.in === group.set;
  }

  function line(group, matches) {
    const made = element("li");
    const button = element("button");
    button.type = "button";
    button.ariaExpanded = String(isOpen(group));
    const bar = element("span", undefined, group.scored ? "bar" : "bar none");
    const part = element("span");
    part.style.width = `${group.scored ? 100 * group.right / group.scored : 0}%`;
    bar.append(part);
    const score = element("span", undefined, "score");
    score.append(bar, groups.tally(group));
    const given = groups.answers(group, table);
    const cells = [
      score, element("span", group.who, "who"), element("span", group.set, "set"), element("span", problems[group.problem].line, "what"),
      element("span", given.slice(0, 3).map(([answer, count]) => count > 1 ? `${answer} ×${count}` : answer).join(", "), "given"),
      element("span", `${Math.round(group.tokens).toLocaleString("en")} tokens`, "tokens"),
    ];
    cells[4].title = given.map(([answer, count]) => `${answer} ×${count}`).join(", ");
    button.append(...cells.flatMap((cell) => [cell, " "]));
    button.addEventListener("click", () => open(isOpen(group) ? null : group, button));
    made.append(button);
    const hit = hitIn(group, matches);
    if (hit) made.append(hit);
    if (isOpen(group)) made.append(opened(group, matches));
    return made;
  }

  // The first hit of the search in these rows with its surroundings.
  function hitIn(group, matches) {
    if (!search.hits) return null;
    const problem = problems[group.problem];
    const places = [["problem", problem.prompt], ["gold", problem.gold], ["problem id", problem.id]];
    for (const row of matches) {
      const [number, at] = place(row);
      if (!search.rows.has(row)) continue;
      const [reasoning, content] = Array.isArray(unpacked[number]) ? unpacked[number][at] : [];
      places.unshift([`sample ${rows.sample[row]}, reasoning`, reasoning], [`sample ${rows.sample[row]}`, content], [`sample ${rows.sample[row]}, answer`, rows.answer[row]]);
      break;
    }
    for (const [where, content] of places) {
      const parts = content && text.around(content, search.hits, REACH);
      if (!parts) continue;
      const made = element("p", `${where}: ${parts[0]}`, "hit");
      made.append(element("mark", parts[1]), parts[2]);
      return made;
    }
    return null;
  }

  // What an open line shows; made once, so that listing anew leaves it as it is.
  function opened(group, matches) {
    if (panel.group !== group || panel.words !== state.q) {
      panel = { group, words: state.q, element: element("div", undefined, "opened") };
      panel.element.role = "region";
      panel.element.ariaLabel = `${group.who}, ${problems[group.problem].line}`;
      fill(panel.element, group, matches);
    }
    return panel.element;
  }

  async function fill(into, group, matches) {
    const problem = problems[group.problem];
    const label = (problem.labels ?? {})[group.part];
    const others = element("p", "The same problem: ", "others");
    for (const other of byProblem[group.problem]) {
      if (other === group) continue;
      const button = element("button", `${other.who} ${other.right} of ${other.scored}`);
      button.type = "button";
      button.addEventListener("click", () => {
        state = { ...groups.DEFAULTS, q: problem.id };
        open(other, null);
      });
      others.append(button, " ");
    }
    into.append(
      text.withMath(problem.prompt, search.hits),
      cards.facts([["gold", problem.gold], ["label", label && `${label[0] ?? "none"} (from the ${label[1]})`], ["problem", problem.id],
        ["model", group.model], ["effort", group.effort]]),
    );
    if (others.childElementCount) into.append(others);
    const texts = await Promise.all(group.rows.map(textsOf));
    const letters = texts.flat().reduce((sum, each) => sum + (each?.length ?? 0), 0);
    const first = group.rows.find((row) => String(rows.sample[row]) === state.sample) ?? matches[0];
    const choose = (sample) => {
      state.sample = sample;
      remember(false);
    };
    const answers = element("div", undefined, letters < SHORT ? "cards" : "cards long");
    answers.append(...group.rows.map((row, at) => cards.card(rows, row, texts[at], letters < SHORT || row === first, search.hits, choose)));
    into.append(answers);
    into.dataset.filled = "true";
  }

  // Opens a line, or closes the open one; the line stays where it is on the screen.
  function open(group, button) {
    const own = { of: "", in: "", problem: "", sample: "" };
    const before = button?.getBoundingClientRect().top;
    const at = button ? [...lines.children].indexOf(button.parentElement) : -1;
    state = { ...state, ...own, ...(group && { of: group.who, in: group.set, problem: problems[group.problem].id }) };
    isTyping = false;
    remember(true);
    if (!button) return show();
    list();
    const now = lines.children[at]?.querySelector("button");
    now?.focus({ preventScroll: true });
    if (now) scrollBy(0, now.getBoundingClientRect().top - before);
  }

  function remember(isNew) {
    const hash = groups.encode(state);
    if (hash !== location.hash) history[isNew ? "pushState" : "replaceState"](null, "", hash);
  }

  // Puts the state into the form and lists; a value of another page's link that is none here counts as none.
  async function show() {
    for (const name of Object.keys(groups.DEFAULTS)) {
      const field = form.elements[name];
      if (!field) continue;
      field.value = state[name];
      if (field.value !== state[name]) state[name] = field.value = groups.DEFAULTS[name];
    }
    delete document.documentElement.dataset.listed;
    const toOpen = () => {
      const button = lines.querySelector("[aria-expanded=true]");
      button?.scrollIntoView();
      return Boolean(button);
    };
    const scanned = scan();
    const isThere = toOpen();
    await scanned;
    if (!isThere) toOpen();
  }

  function changed(event) {
    const isSearch = event.target === form.elements.q;
    const wasTyping = isTyping;
    isTyping = isSearch;
    for (const name of Object.keys(groups.DEFAULTS)) if (form.elements[name]) state[name] = form.elements[name].value;
    const closed = event.target === form.elements.sort ? {} : { of: "", in: "", problem: "", sample: "" };
    state = { ...state, page: "1", ...closed };
    remember(!(isSearch && wasTyping));
    delete document.documentElement.dataset.listed;
    if (isSearch) scan();
    else list();
  }

  function turn(by) {
    state = { ...state, page: String((Math.floor(Number(state.page)) || 1) + by) };
    remember(true);
    list();
    byId("traces").scrollIntoView();
  }

  function options(field, values) {
    field.append(...values.map((value) => new Option(value, value)));
  }

  function fillForm() {
    const { exam, source } = groups.names(all);
    for (const name of ["right", "wrong"]) options(form.elements[name], exam);
    for (const [field, names] of [["student", [["in the exams", exam], ["teaching", source]]],
      ["set", ["exam", "source"].map((kind) => [`${kind}s`, [...new Set(all.map((group) => group.set))].filter((set) => set.startsWith(`${kind} `))])]]) {
      for (const [label, values] of names) {
        const made = document.createElement("optgroup");
        made.label = label;
        options(made, values);
        if (values.length) form.elements[field].append(made);
      }
    }
    for (const name of ["verdict", "fate"]) {
      const values = new Set(rows[name].flatMap((value) => (value ?? "").split("; ")));
      options(form.elements[name], [...values].sort().filter(Boolean));
    }
  }

  fillForm();
  form.addEventListener("input", changed);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    state = { ...groups.DEFAULTS };
    open(null, null);
  });
  lines.addEventListener("keydown", (event) => {
    const button = event.target.closest("li > button");
    const next = button && { ArrowDown: button.parentElement.nextElementSibling, ArrowUp: button.parentElement.previousElementSibling }[event.key];
    if (!next) return;
    event.preventDefault();
    next.querySelector("button").focus();
  });
  byId("back").addEventListener("click", () => turn(-1));
  byId("next").addEventListener("click", () => turn(1));
  addEventListener("popstate", () => {
    const linked = groups.decode(location.hash);
    isTyping = false;
    if (!linked || groups.encode(linked) === groups.encode(state)) return;
    state = linked;
    show();
  });
  const isLinked = location.hash.includes("=");
  const ended = show();
  performance.mark("listed");
  await ended;
  if (isLinked && !state.problem) byId("traces").scrollIntoView();
  await parsed;
  document.documentElement.dataset.ready = "true";

  // In idle moments the texts are unpacked, so that a search has not to wait for it.
  const idle = window.requestIdleCallback ?? ((work) => setTimeout(work, 50));
  const ahead = (number) => number * table.rows_per_block < size && idle(async () => {
    await block(number);
    ahead(number + 1);
  });
  ahead(0);
})();
