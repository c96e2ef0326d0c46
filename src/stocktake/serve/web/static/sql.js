// The SQL page: runs statements without leaving the page, cancels them, opens tables of the tree.

import { ask, say } from "./shared.js";

const form = document.getElementById("ask");
const area = document.getElementById("statement");
const answer = document.getElementById("answer");
const state = form.querySelector("[data-state]");
const stop = form.querySelector("[data-cancel]");
const go = form.querySelector("[data-run]");
let number = "";
let clock = 0;

const newNumber = () => [...crypto.getRandomValues(new Uint32Array(4))].map((one) => one.toString(16)).join("");

/** The address that a form stands for; what is empty is left out. */
function addressOf(one) {
  const parameters = new URLSearchParams();
  for (const [name, value] of new FormData(one)) if (value) parameters.set(name, value);
  return `/sql?${parameters}`;
}

function begin() {
  number = newNumber();
  const began = performance.now();
  answer.setAttribute("aria-busy", "true");
  stop.hidden = false;
  go.disabled = true;
  say("Running");
  const tell = () => (state.textContent = `Running, ${((performance.now() - began) / 1000).toFixed(0)} s`);
  tell();
  clock = setInterval(tell, 500);
}

function end() {
  clearInterval(clock);
  number = "";
  answer.removeAttribute("aria-busy");
  stop.hidden = true;
  go.disabled = false;
  state.textContent = "";
}

async function run(address, { remember = true } = {}) {
  if (number) return;
  begin();
  try {
    const target = new URL(address, location.href);
    const shown = target.pathname + target.search;
    target.searchParams.set("part", "answer");
    target.searchParams.set("number", number);
    const got = await ask(target);
    if (!(got.headers.get("content-type") || "").includes("html")) throw new Error(`The server said ${got.status}`);
    const body = document.createElement("template");
    body.innerHTML = await got.text();
    answer.replaceChildren(body.content);
    if (remember) history.pushState({ sql: area.value }, "", shown);
    say(answer.querySelector("[role=status], [role=alert]")?.textContent.trim() || "Done");
  } catch (problem) {
    state.textContent = "";
    const told = document.createElement("div");
    told.className = "notice bad";
    told.setAttribute("role", "alert");
    told.textContent = `No answer: ${problem.message}`;
    answer.replaceChildren(told);
  } finally {
    end();
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (area.value.trim()) run(addressOf(form));
});

stop.addEventListener("click", () => {
  if (number) ask("/sql/cancel", { method: "POST", body: new URLSearchParams({ number }) });
  state.textContent = "Cancelling";
});

answer.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-swap]");
  if (link && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    run(link.href);
  }
  if (event.target.closest("[data-copy-link]")) {
    const button = event.target.closest("[data-copy-link]");
    navigator.clipboard?.writeText(location.href);
    button.textContent = "Copied";
    say("Link copied");
  }
});
answer.addEventListener("submit", (event) => {
  if (!event.target.matches("form[data-chart]")) return;
  event.preventDefault();
  run(addressOf(event.target));
});

// What is saved is what stands in the editor now.
document.querySelector("form[data-save]")?.addEventListener("submit", (event) => {
  event.target.elements.q.value = area.value;
  event.target.elements.as_of.value = form.elements.as_of.value;
  const here = new URLSearchParams(location.search);
  for (const name of ["chart", "x", "y"]) event.target.elements[name].value = here.get(name) || "";
});

addEventListener("popstate", () => location.reload());

// The tree.
document.querySelector(".schema")?.addEventListener(
  "toggle",
  async (event) => {
    const one = event.target;
    if (!one.dataset.columns || !one.open || one.dataset.is) return;
    one.dataset.is = "filled";
    const got = await ask(one.dataset.columns);
    const body = document.createElement("template");
    body.innerHTML = got.ok ? await got.text() : "The columns cannot be read now.";
    one.querySelector("[data-place]").replaceChildren(body.content);
  },
  true,
);
document.querySelector(".schema")?.addEventListener("click", (event) => {
  const button = event.target.closest("[data-insert]");
  if (!button) return;
  event.preventDefault();
  const host = document.querySelector(".editor-host");
  if (host) host.dispatchEvent(new CustomEvent("insert", { detail: button.dataset.insert }));
  else area.setRangeText(button.dataset.insert, area.selectionStart, area.selectionEnd, "end");
});
document.querySelector("[data-filter-tables]")?.addEventListener("input", (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const group of document.querySelectorAll("[data-group]")) {
    let some = false;
    for (const row of group.querySelectorAll("[data-table]")) {
      row.hidden = !words.every((word) => row.dataset.table.includes(word));
      some ||= !row.hidden;
    }
    group.hidden = !some;
  }
});
