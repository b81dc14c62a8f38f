"use strict";
const kept = JSON.parse(document.getElementById("head").textContent);
const articles = [...document.querySelectorAll("article")];
function show() {
  for (const article of articles) {
    for (const button of article.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(kept.opinions[article.dataset.id] === button.value));
    }
  }
  const done = Object.keys(kept.opinions).length;
  document.getElementById("count").textContent = `${done} of ${articles.length} looked at`;
  document.getElementById("out").value = JSON.stringify(kept);
}
for (const article of articles) {
  for (const button of article.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      kept.opinions[article.dataset.id] = button.value;
      show();
    });
  }
}
show();
