// The catalog page beyond htmx: completion in the search box, facets by keyboard and on narrow screens.

import { ask, say } from "./shared.js";

const box = document.getElementById("q");
const list = document.getElementById("completions");
const found = document.getElementById("found");
let completion = null;
let at = -1;
let timer = 0;

function close() {
  list.hidden = true;
  at = -1;
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

function select(next) {
  at = next;
  [...list.children].forEach((item, number) => item.setAttribute("aria-selected", String(number === at)));
  const item = list.children[at];
  if (item) {
    box.setAttribute("aria-activedescendant", item.id);
    item.scrollIntoView({ block: "nearest" });
  } else box.removeAttribute("aria-activedescendant");
}

function show(answer) {
  completion = answer;
  list.replaceChildren(
    ...answer.suggestions.map((one, number) => {
      const item = document.createElement("li");
      item.id = `completion-${number}`;
      item.role = "option";
      item.setAttribute("aria-selected", "false");
      const word = Object.assign(document.createElement("span"), { textContent: one.text });
      const about = Object.assign(document.createElement("span"), { textContent: one.detail, className: "about" });
      item.append(word, about);
      item.addEventListener("mousedown", (event) => {
        event.preventDefault();
        take(number);
      });
      return item;
    }),
  );
  const typed = box.value.slice(answer.start, answer.end);
  const isWhole = answer.suggestions.length === 1 && answer.suggestions[0].text === typed;
  if (!answer.suggestions.length || isWhole) return close();
  list.hidden = false;
  box.setAttribute("aria-expanded", "true");
  select(-1);
  say(`${answer.suggestions.length} completions`);
}

async function fetchCompletion() {
  const place = box.selectionStart ?? box.value.length;
  const address = `/catalog/complete?${new URLSearchParams({ q: box.value, cursor: place })}`;
  try {
    const answer = await ask(address, { name: "completion", headers: { accept: "application/json" } });
    if (answer.ok && document.activeElement === box) show(await answer.json());
  } catch (problem) {
    if (problem.name !== "AbortError") close();
  }
}

function take(number) {
  const one = completion?.suggestions[number];
  if (!one) return;
  const isKey = one.text.endsWith(":");
  const rest = box.value.slice(completion.end);
  const gap = isKey || rest.startsWith(" ") ? "" : " ";
  box.value = box.value.slice(0, completion.start) + one.text + gap + rest;
  const place = completion.start + one.text.length + gap.length;
  box.setSelectionRange(place, place);
  close();
  box.dispatchEvent(new Event("input", { bubbles: true }));
}

function later() {
  clearTimeout(timer);
  // After the search itself: what is found is worth more than what could be typed.
  timer = setTimeout(fetchCompletion, 180);
}

box.addEventListener("input", later);
box.addEventListener("blur", () => {
  clearTimeout(timer);
  close();
});
box.addEventListener("keydown", (event) => {
  const isOpen = !list.hidden;
  const count = list.children.length;
  if (event.key === "ArrowDown" && !isOpen) fetchCompletion();
  else if (event.key === "ArrowDown") select((at + 1) % count);
  else if (event.key === "ArrowUp" && isOpen) select(at <= 0 ? count - 1 : at - 1);
  else if (event.key === "Escape" && isOpen) close();
  else if (event.key === "Tab" && isOpen) take(Math.max(at, 0));
  else if (event.key === "Enter" && isOpen && at >= 0) take(at);
  else {
    if (event.key === "Enter") {
      clearTimeout(timer);
      close();
    }
    return;
  }
  event.preventDefault();
  event.stopPropagation();
});

// Which facets are folded, and where the keyboard was, outlive a swap.
const folded = new Set();
found.addEventListener(
  "toggle",
  (event) => {
    const key = event.target.dataset?.facet;
    if (key) event.target.open ? folded.delete(key) : folded.add(key);
  },
  true,
);
document.body.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== found) return;
  for (const facet of found.querySelectorAll("[data-facet]")) if (folded.has(facet.dataset.facet)) facet.open = false;
});
document.body.addEventListener("htmx:configRequest", (event) => {
  // Half a search is no mistake while it is being typed.
  if (event.detail.triggeringEvent?.type === "input") event.detail.headers["Stocktake-Typed"] = "1";
});
document.body.addEventListener("htmx:beforeSwap", (event) => {
  // One question at a time, then the newest one: an answer to what stands there no more is dropped.
  const asked = event.detail.requestConfig?.parameters?.get?.("q");
  if (event.detail.requestConfig?.elt?.id === "search" && asked != null && asked !== box.value) event.preventDefault();
});
document.body.addEventListener("htmx:responseError", () => say("The server could not answer"));

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("[data-toggles-facets]");
  if (!link) return;
  event.preventDefault();
  found.classList.toggle("with-facets");
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "f" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.activeElement?.matches("input, textarea, select") || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  found.classList.add("with-facets");
  found.querySelector("#facets input")?.focus();
});
