// All text of models and sources goes through textContent or KaTeX with trust off; nothing is ever parsed as HTML.
const text = (() => {
  // As Pandoc has it: a dollar with a space inside, or a digit behind, is money. The bounds keep a loop of openings quick.
  const MATH = /\$\$([\s\S]{1,2000}?)\$\$|\\\[([\s\S]{1,2000}?)\\\]|\\\(([\s\S]{1,2000}?)\\\)|\$(?!\s)((?:[^$\n\\]|\\.){1,2000}?)(?<!\s)\$(?!\d)|(\\boxed\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\})/g;

  // Base64 of gzip of JSON.
  async function unpack(packed) {
    const letters = atob(packed);
    const bytes = new Uint8Array(letters.length);
    for (let place = 0; place < letters.length; place++) bytes[place] = letters.charCodeAt(place);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  }

  function element(kind, content, className) {
    const made = document.createElement(kind);
    if (content !== undefined) made.textContent = content;
    if (className) made.className = className;
    return made;
  }

  // Case does not matter, and any white space between words is as good as another.
  function pattern(words) {
    const escaped = words.trim().split(/\s+/).map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
    return escaped[0] ? new RegExp(escaped.join("\\s+"), "giu") : null;
  }

  // The nodes of a text in which what `hits` finds is marked.
  function marked(content, hits) {
    if (!hits) return [content];
    const nodes = [];
    let from = 0;
    for (const found of content.matchAll(hits)) {
      nodes.push(content.slice(from, found.index), element("mark", found[0]));
      from = found.index + found[0].length;
    }
    return [...nodes, content.slice(from)];
  }

  // A text with its formulas set, and marks outside them.
  function withMath(content, hits) {
    const made = element("div", undefined, "text");
    let from = 0;
    for (const found of content.matchAll(MATH)) {
      const display = found[1] ?? found[2];
      const formula = display ?? found[3] ?? found[4] ?? found[5];
      made.append(...marked(content.slice(from, found.index), hits));
      const span = element("span", undefined, display === undefined ? "" : "display");
      try {
        katex.render(formula, span, {
          output: "mathml", displayMode: display !== undefined, throwOnError: true, trust: false, strict: false,
          maxSize: 20, maxExpand: 200,
        });
      } catch {
        span.replaceChildren(...marked(found[0], hits));
      }
      made.append(span);
      from = found.index + found[0].length;
    }
    made.append(...marked(content.slice(from), hits));
    return made;
  }

  // The first hit with `reach` letters on both sides, on one line; null without a hit.
  function around(content, hits, reach) {
    hits.lastIndex = 0;
    const found = hits.exec(content);
    if (!found) return null;
    const start = Math.max(0, found.index - reach);
    const end = found.index + found[0].length;
    const before = (start ? "…" : "") + content.slice(start, found.index).replace(/\s+/g, " ");
    const after = content.slice(end, end + reach).replace(/\s+/g, " ") + (end + reach < content.length ? "…" : "");
    return [before, found[0].replace(/\s+/g, " "), after];
  }

  return { unpack, element, pattern, withMath, around };
})();
