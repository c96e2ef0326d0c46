// A resource in a page or a panel: forms of the panel stay in it, selects submit themselves, menus near the edge.

import { openPanel, panel } from "./shared.js";

function addressOf(form) {
  const address = new URL(form.action, location.href);
  address.search = "";
  for (const [name, value] of new FormData(form)) if (value !== "") address.searchParams.append(name, value);
  return address;
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-panel-form]") || !panel()?.contains(form)) return;
  event.preventDefault();
  openPanel(addressOf(form).href);
});

document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-submits]")) event.target.form.requestSubmit();
});
