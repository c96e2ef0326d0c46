// Bundles every src/*.js into the package's static files: one file for each, minified, with the licenses beside it.
import { readdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = here("../src/stocktake/serve/web/static/built");

rmSync(out, { recursive: true, force: true });
await build({
  entryPoints: readdirSync(here("src"))
    .filter((name) => name.endsWith(".js"))
    .map((name) => here(`src/${name}`)),
  outdir: out,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "linked",
  logLevel: "warning",
});
