"use strict";
// Every word must be in a type's name or other words; names that begin with the first word come first.
const plain = (text) => text.toLowerCase().replace(/[_\-:. ]/g, "");
const entries = TYPES.map(([name, words]) => ({ name, text: plain(name + words), noun: plain(words.split(" ")[1] || "") }));
const box = document.getElementById("search");
const list = document.getElementById("found");
const SHOWN = 60;

function rank(entry, words) {
  const last = words[words.length - 1];
  return entry.noun === last ? 0 : entry.noun.startsWith(last) ? 1 : 2;
}

function show() {
  const words = box.value.split(/\s+/).map(plain).filter(Boolean);
  list.replaceChildren();
  list.hidden = words.length === 0;
  if (list.hidden) return;
  const found = entries.filter((entry) => words.every((word) => entry.text.includes(word)));
  found.sort((a, b) => rank(a, words) - rank(b, words) || a.name.length - b.name.length || (a.name < b.name ? -1 : 1));
  for (const entry of found.slice(0, SHOWN)) {
    const link = document.createElement("a");
    link.href = "types/" + encodeURIComponent(entry.name) + ".html";
    link.textContent = entry.name;
    const item = document.createElement("li");
    item.append(link);
    list.append(item);
  }
  if (found.length !== 0 && found.length <= SHOWN) return;
  const rest = document.createElement("li");
  rest.textContent = found.length === 0 ? "No type is called so." : "and " + (found.length - SHOWN) + " more";
  list.append(rest);
}

box.addEventListener("input", show);
box.addEventListener("keydown", (event) => {
  const first = list.querySelector("a");
  if (event.key === "Enter" && first) location.href = first.href;
});
show();
