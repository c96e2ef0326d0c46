// What scripts of pages share: messages, fetches that drop their older ones, the side panel.

/** Tell something to those who listen instead of look. */
export function say(text) {
  const place = document.getElementById("said");
  if (place) place.textContent = text;
}

/** A fetch that says so when the session is over or the server is away. Older calls with the same name are dropped. */
const running = new Map();
export async function ask(address, { name = "", ...options } = {}) {
  const control = new AbortController();
  if (name) {
    running.get(name)?.abort();
    running.set(name, control);
  }
  try {
    return await fetch(address, { credentials: "same-origin", signal: control.signal, ...options });
  } finally {
    if (running.get(name) === control) running.delete(name);
  }
}

// The side panel: <aside id="panel" class="panel" hidden> is where links with data-panel open.
export const panel = () => document.getElementById("panel");
let opener = null;

export async function openPanel(address, { remember = true } = {}) {
  const place = panel();
  if (!place) {
    location.assign(address);
    return;
  }
  const target = new URL(address, location.href);
  target.searchParams.set("panel", "1");
  let answer;
  try {
    answer = await ask(target, { name: "panel" });
  } catch (problem) {
    if (problem.name !== "AbortError") location.assign(address);
    return;
  }
  if (!answer.ok && !(answer.headers.get("content-type") || "").includes("html")) {
    location.assign(address);
    return;
  }
  const body = document.createElement("template");
  body.innerHTML = await answer.text();
  if (place.hidden) opener = document.activeElement;
  place.querySelector(".inside").replaceChildren(body.content);
  place.hidden = false;
  place.scrollTop = 0;
  place.focus({ preventScroll: true });
  place.dispatchEvent(new CustomEvent("filled", { bubbles: true }));
  if (remember) rememberPanel(target);
}

/** The panel is part of the page's address, so that it can be sent to others. */
function rememberPanel(target) {
  const here = new URL(location.href);
  here.searchParams.delete("panel");
  for (const name of [...here.searchParams.keys()]) if (name.startsWith("panel.")) here.searchParams.delete(name);
  if (target) {
    here.searchParams.set("panel", target.searchParams.get("key"));
    for (const [name, value] of target.searchParams)
      if (!["key", "panel"].includes(name)) here.searchParams.append(`panel.${name}`, value);
  }
  history.replaceState(history.state, "", here);
}

export function closePanel() {
  const place = panel();
  if (!place || place.hidden) return false;
  running.get("panel")?.abort();
  place.hidden = true;
  place.querySelector(".inside").replaceChildren();
  rememberPanel(null);
  if (opener?.isConnected) opener.focus({ preventScroll: true });
  return true;
}
