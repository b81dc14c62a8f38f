"use strict";
// All text of models and sources goes through textContent or KaTeX with trust off; nothing is ever parsed as HTML.
(async () => {
  const PAGE = 50;
  // As Pandoc has it: a dollar with a space inside, or a digit behind, is money. The bounds keep a loop of openings quick.
  const MATH = /\$\$([\s\S]{1,2000}?)\$\$|\\\[([\s\S]{1,2000}?)\\\]|\\\(([\s\S]{1,2000}?)\\\)|\$(?!\s)((?:[^$\n\\]|\\.){1,2000}?)(?<!\s)\$(?!\d)|(\\boxed\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})/g;
  const byId = (id) => document.getElementById(id);

  async function unpack(packed) {
    const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  function element(kind, text, className) {
    const made = document.createElement(kind);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  }

  function withMath(text) {
    const made = element("div", undefined, "text");
    let from = 0;
    for (const found of text.matchAll(MATH)) {
      const display = found[1] ?? found[2];
      const formula = display ?? found[3] ?? found[4] ?? found[5];
      made.append(text.slice(from, found.index));
      const span = element("span", undefined, display === undefined ? "" : "display");
      try {
        katex.render(formula, span, {
          output: "mathml", displayMode: display !== undefined, throwOnError: true, trust: false, strict: false,
          maxSize: 20, maxExpand: 200,
        });
      } catch {
        span.textContent = found[0];
      }
      made.append(span);
      from = found.index + found[0].length;
    }
    made.append(text.slice(from));
    return made;
  }

  // Charts, in the page's colours.
  const specs = JSON.parse(byId("specs").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const look = () => {
    const [text, quiet, line] = ["--text", "--quiet", "--line"].map((name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim());
    const axis = { labelColor: quiet, titleColor: quiet, gridColor: line, domainColor: line, tickColor: line, labelLimit: 150 };
    const range = dark.matches
      ? ["#6cb2ff", "#ffb454", "#6fd08c", "#ff8fb1", "#c4a7ff", "#f2e06b", "#5fd3d3"]
      : ["#1f6fc4", "#c96a00", "#1e8449", "#b8336a", "#6b46c1", "#8a7a00", "#0f7f86"];
    return {
      background: "transparent", font: "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif", view: { stroke: null },
      axis, legend: {
        labelColor: text, titleColor: quiet, symbolBaseFillColor: quiet, symbolBaseStrokeColor: quiet, orient: "bottom",
        columns: 3, labelLimit: 140, layout: { bottom: { direction: "vertical", anchor: "start" } },
      },
      bar: { color: range[0] }, text: { color: text }, range: { category: range },
    };
  };
  const draw = () => Promise.allSettled([...document.querySelectorAll(".chart")].map((place) =>
    vegaEmbed(place, specs[place.dataset.chart], { actions: false, ast: true, renderer: "svg", config: look() }).catch(console.error)));
  dark.addEventListener("change", draw);
  await draw();

  // Traces: columns of all rows at once, their texts in blocks that are unpacked when one is opened.
  const table = await unpack(byId("rows").textContent);
  const rows = table.columns;
  const problems = table.problems;
  const size = rows.part.length;
  const blocks = [...document.querySelectorAll("script.block")].map((each) => each.textContent);
  const opened = new Map();
  const lower = problems.map((each) => `${each.id}\n${each.prompt}\n${each.gold ?? ""}`.toLowerCase());
  const form = byId("filters");
  const body = byId("list").tBodies[0];
  let shown = [];
  let page = 0;
  let chosen = -1;

  for (const name of ["part", "effort", "set", "verdict", "fate"]) {
    const values = new Set();
    for (const value of rows[name]) for (const each of name === "fate" ? (value ?? "").split("; ") : [value ?? ""]) values.add(each);
    form.elements[name].append(new Option("all", ""), ...[...values].sort().filter(Boolean).map((value) => new Option(value, value)));
  }

  function filter() {
    const wanted = ["part", "effort", "set", "verdict"].map((name) => [rows[name], form.elements[name].value]).filter(([, value]) => value);
    const fate = form.elements.fate.value;
    const words = form.elements.search.value.toLowerCase().trim();
    const hits = words ? lower.map((text) => text.includes(words)) : null;
    shown = [];
    for (let row = 0; row < size; row++) {
      if (wanted.every(([column, value]) => column[row] === value)
        && (!fate || (rows.fate[row] ?? "").split("; ").includes(fate))
        && (!hits || hits[rows.problem[row]] || (rows.answer[row] ?? "").toLowerCase().includes(words))) shown.push(row);
    }
    page = 0;
    list();
  }

  function list() {
    const pages = Math.max(1, Math.ceil(shown.length / PAGE));
    byId("count").textContent = `${shown.length.toLocaleString("en")} of ${size.toLocaleString("en")} traces`;
    byId("place").textContent = `page ${page + 1} of ${pages}`;
    byId("back").disabled = page === 0;
    byId("on").disabled = page >= pages - 1;
    body.replaceChildren(...shown.slice(page * PAGE, (page + 1) * PAGE).map((row) => {
      const made = element("tr");
      made.tabIndex = 0;
      made.dataset.row = row;
      made.ariaSelected = String(row === chosen);
      const cells = [problems[rows.problem[row]].prompt.slice(0, 120), rows.part[row], rows.answer[row] ?? "", rows.verdict[row] ?? "", rows.fate[row] ?? ""];
      made.append(...cells.map((text, place) => {
        const cell = element("td", text, place === 3 ? text : "");
        cell.title = text;
        return cell;
      }));
      return made;
    }));
  }

  async function read(row) {
    chosen = row;
    for (const each of body.rows) each.ariaSelected = String(Number(each.dataset.row) === row);
    const number = Math.floor(row / table.rows_per_block);
    if (!opened.has(number)) opened.set(number, await unpack(blocks[number]));
    if (chosen !== row) return;
    const [reasoning, content] = opened.get(number)[row % table.rows_per_block];
    const problem = problems[rows.problem[row]];
    const effort = rows.effort[row];
    const label = effort ? (problem.labels ?? {})[effort] : undefined;
    const facts = [
      ["problem", problem.id], ["stage", rows.part[row]], ["model", rows.model[row]], ["effort", effort], ["set", rows.set[row]],
      ["sample", rows.sample[row]], ["ended", rows.status[row]], ["tokens", rows.tokens[row]], ["gold", problem.gold],
      ["label", label && `${label[0] ?? "none"} (from the ${label[1]})`], ["answer", rows.answer[row]], ["found by", rows.extracted_by[row]],
      ["verdict", rows.verdict[row]], ["decided by", rows.decided_by[row]], ["fate", rows.fate[row]],
    ];
    const known = element("dl");
    for (const [name, value] of facts) {
      if (value === undefined || value === null || value === "") continue;
      known.append(element("dt", name), element("dd", String(value), name === "verdict" ? String(value) : ""));
    }
    const parts = [known, element("h3", "Problem"), withMath(problem.prompt)];
    if (reasoning) parts.push(element("h3", "Reasoning"), withMath(reasoning));
    parts.push(element("h3", "Answer"), content ? withMath(content) : element("p", "none", "note"));
    byId("trace").replaceChildren(...parts);
    byId("trace").scrollTop = 0;
    if (byId("trace").getBoundingClientRect().top > innerHeight - 80) byId("trace").scrollIntoView();
    history.replaceState(null, "", `#trace-${row}`);
  }

  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) read(Number(row.dataset.row));
  });
  body.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    if (!row) return;
    if (event.key === "Enter") read(Number(row.dataset.row));
    const next = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key];
    if (next) {
      event.preventDefault();
      next.focus();
      read(Number(next.dataset.row));
    }
  });
  byId("back").addEventListener("click", () => { page--; list(); });
  byId("on").addEventListener("click", () => { page++; list(); });
  filter();
  const linked = /^#trace-(\d+)$/.exec(location.hash);
  if (linked && Number(linked[1]) < size) await read(Number(linked[1]));
  document.documentElement.dataset.ready = "true";
})();
