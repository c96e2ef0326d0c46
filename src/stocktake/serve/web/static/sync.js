// The sync page: how far a sync is, as it happens; when one ends, its coverage comes in.

import { ask, say } from "./shared.js";

const live = document.getElementById("live");
const coverage = document.getElementById("coverage");
let status = "";
let written = 0;

async function fill(place, part) {
  const target = new URL(location.href);
  target.searchParams.set("part", part);
  const got = await ask(target);
  if (!got.ok) return;
  const body = document.createElement("template");
  body.innerHTML = await got.text();
  // Whoever is reading or choosing something there is not disturbed.
  if (place.contains(document.activeElement) && document.activeElement !== document.body) return;
  place.replaceChildren(body.content);
}

/** One request at a time, and a pause after it; the newest wish is the last to be met. */
function refresher(place, part, pause) {
  let isAsking = false;
  let isWanted = false;
  return async function refresh() {
    isWanted = true;
    if (isAsking) return;
    isAsking = true;
    while (isWanted) {
      isWanted = false;
      try {
        await fill(place, part);
      } catch {
        // The server is away for a moment; the next event asks again.
      }
      await new Promise((done) => setTimeout(done, pause));
    }
    isAsking = false;
  };
}
const refreshLive = refresher(live, "live", 300);
const refreshCoverage = refresher(coverage, "coverage", 3000);

if (live && window.EventSource) {
  const events = new EventSource(live.dataset.live);
  events.addEventListener("sync", (event) => {
    const run = JSON.parse(event.data);
    if (status === "running" && run.status !== "running") say(`The sync has ended: ${run.status}`);
    status = run.status;
    refreshLive();
  });
  events.addEventListener("catalog", (event) => {
    const at = JSON.parse(event.data).written_at;
    if (written && at !== written) refreshCoverage();
    written = at;
  });
  addEventListener("pagehide", () => events.close());
}
