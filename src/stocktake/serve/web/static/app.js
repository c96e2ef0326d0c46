// What all pages share: light and dark, the keyboard, copying, dialogs, the side panel. Pages are whole without it.

import { closePanel, openPanel, panel, say } from "./shared.js";

const root = document.documentElement;
root.classList.add("scripted");

// Light and dark: a cookie, so that the server knows before the page is drawn.
function switchTheme() {
  const dark = root.dataset.theme
    ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const next = dark ? "light" : "dark";
  root.dataset.theme = next;
  document.cookie = `theme=${next}; path=/; max-age=31536000; samesite=strict`;
  document.dispatchEvent(new CustomEvent("theme", { detail: next }));
  say(`${next} colors`);
}

async function copy(button) {
  const text = button.dataset.copy || document.getElementById(button.dataset.copyFrom)?.textContent || "";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without a secure context there is no clipboard: an old way that every browser still has.
    const area = Object.assign(document.createElement("textarea"), { value: text });
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  const before = button.textContent;
  button.textContent = "Copied";
  say("Copied");
  setTimeout(() => (button.textContent = before), 1500);
}

// The keyboard. Rows are tr[data-row]; Enter follows the row's link with data-panel, else its first link.
const rows = () => [...document.querySelectorAll("[data-row]")].filter((row) => row.offsetParent !== null);
function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.classList.contains("at"));
  const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
  all[at]?.classList.remove("at");
  all[next].classList.add("at");
  const link = all[next].querySelector("a[data-panel]") || all[next].querySelector("a");
  if (link && panel()?.hidden !== false) link.focus({ preventScroll: true });
  all[next].scrollIntoView({ block: "nearest" });
  if (panel() && !panel().hidden && link?.hasAttribute("data-panel")) openPanel(link.href);
}

const isTyping = (element) =>
  element?.isContentEditable ||
  element?.shadowRoot ||
  element?.matches?.("textarea, select, input:not([type=checkbox]):not([type=radio]):not([type=button])");

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    if (isTyping(document.activeElement)) document.activeElement.blur();
    else if (closePanel()) event.preventDefault();
    else for (const menu of document.querySelectorAll("details.menu[open]")) menu.open = false;
    return;
  }
  if (isTyping(document.activeElement)) return;
  const search = document.querySelector("[data-search]");
  if (event.key === "/" && search) {
    event.preventDefault();
    search.focus();
    search.select?.();
  } else if (event.key === "j" || event.key === "k") {
    event.preventDefault();
    move(event.key === "j" ? 1 : -1);
  } else if (event.key === "Enter" && document.activeElement === document.body) {
    const row = document.querySelector("[data-row].at");
    (row?.querySelector("a[data-panel]") || row?.querySelector("a"))?.click();
  } else if (event.key === "?") {
    event.preventDefault();
    document.getElementById("keys")?.showModal();
  }
});

document.addEventListener("click", (event) => {
  const found = event.target.closest?.("[data-theme-switch], [data-copy], [data-copy-from], [data-opens], [data-closes-panel]");
  if (found) {
    if (found.hasAttribute("data-theme-switch")) switchTheme();
    else if (found.hasAttribute("data-opens")) document.getElementById(found.dataset.opens)?.showModal();
    else if (found.hasAttribute("data-closes-panel")) {
      if (closePanel()) event.preventDefault();
    } else copy(found);
    return;
  }
  for (const menu of document.querySelectorAll("details.menu[open]"))
    if (!menu.contains(event.target)) menu.open = false;
  const link = event.target.closest?.("a[data-panel]");
  if (!link || !panel() || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  for (const row of rows()) row.classList.toggle("at", row.contains(link));
  openPanel(link.href);
});
