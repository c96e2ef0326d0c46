// Bundles every src/*.js into the package's static files: one file for each, minified; LICENSES.txt has the licenses of
// all that is in them.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = here("../src/stocktake/serve/web/static/built");

rmSync(out, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: here("."),
  entryPoints: readdirSync(here("src"))
    .filter((name) => name.endsWith(".js"))
    .map((name) => here(`src/${name}`)),
  outdir: out,
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  logLevel: "warning",
  metafile: true,
});

const inside = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//;
const packages = new Set(Object.keys(metafile.inputs).map((path) => inside.exec(path)?.[1]).filter(Boolean));
const told = [...packages].sort().map((name) => {
  const folder = here(`node_modules/${name}`);
  const { version, license } = JSON.parse(readFileSync(`${folder}/package.json`, "utf8"));
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map((one) => `${folder}/${one}`).find((one) => existsSync(one));
  if (!file) throw new Error(`${name} has no license file`);
  return `${name} ${version} (${license})\n\n${readFileSync(file, "utf8").trim()}\n`;
});
writeFileSync(`${out}/LICENSES.txt`, told.join(`\n${"-".repeat(100)}\n\n`));
