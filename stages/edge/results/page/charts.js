"use strict";
// The charts, in the page's colours.
(async () => {
  const specs = JSON.parse(document.getElementById("specs").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");

  function look() {
    const style = getComputedStyle(document.documentElement);
    const [letters, quiet, line] = ["--text", "--quiet", "--line"].map((name) => style.getPropertyValue(name).trim());
    const range = dark.matches
      ? ["#6cb2ff", "#ffb454", "#6fd08c", "#ff8fb1", "#c4a7ff", "#f2e06b", "#5fd3d3"]
      : ["#1f6fc4", "#c96a00", "#1e8449", "#b8336a", "#6b46c1", "#8a7a00", "#0f7f86"];
    return {
      background: "transparent", font: "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif", view: { stroke: null },
      axis: { labelColor: quiet, titleColor: quiet, gridColor: line, domainColor: line, tickColor: line, labelLimit: 150 },
      legend: {
        labelColor: letters, titleColor: quiet, symbolBaseFillColor: quiet, symbolBaseStrokeColor: quiet, orient: "bottom",
        columns: 3, labelLimit: 140, layout: { bottom: { direction: "vertical", anchor: "start" } },
      },
      bar: { color: range[0] }, rule: { color: quiet }, text: { color: letters }, range: { category: range },
    };
  }

  async function draw() {
    for (const place of document.querySelectorAll(".chart")) {
      const options = { actions: false, ast: true, renderer: "svg", config: look() };
      await vegaEmbed(place, specs[place.dataset.chart], options).catch(console.error);
    }
  }

  dark.addEventListener("change", draw);
  await draw();
  document.documentElement.dataset.drawn = "true";
})();
