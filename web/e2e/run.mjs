// Builds the binary and the page with the SDKs, then runs every test here with Node's test runner.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "vite";

const here = import.meta.dirname;
const work = mkdtempSync(join(tmpdir(), "carillon-e2e-"));
const env = { ...process.env, E2E_WORK: work };
// The machine's own AWS settings must not reach the tests.
for (const name of Object.keys(env)) if (name.startsWith("AWS_")) delete env[name];

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, env, stdio: "inherit" });
  if (error) throw error;
  return status ?? 1;
}

let code = 1;
try {
  code = run("go", ["build", "-o", `${work}/`, "./cmd/carillon"], join(here, "../.."));
  if (code === 0) {
    await build({
      configFile: false,
      logLevel: "warn",
      root: join(here, "pages"),
      define: { global: "globalThis" },
      build: { outDir: join(work, "pages"), emptyOutDir: true, chunkSizeWarningLimit: 4096 },
    });
    const wanted = process.argv.slice(2);
    const files = readdirSync(here)
      .filter((name) => name.endsWith(".test.mjs") && (wanted.length === 0 || wanted.some((w) => name.includes(w))))
      .map((name) => join(here, name));
    if (files.length === 0) throw new Error(`no test file matches ${wanted.join(" ")}`);
    code = run(process.execPath, ["--test", "--test-concurrency=2", "--test-reporter=spec", ...files], join(here, ".."));
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
process.exitCode = code;
