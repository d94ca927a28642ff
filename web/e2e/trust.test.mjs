// Programs that follow the printed instructions: Node and, where installed, boto3, over https.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { Server } from "./lib/server.mjs";

const server = new Server();
before(() => server.start());
after(() => server.stop());

const program = `
  const { ChimeSDKIdentity } = require("@aws-sdk/client-chime-sdk-identity");
  new ChimeSDKIdentity({ endpoint: process.argv[1] }).listAppInstances({}).then(
    (list) => console.log(list.AppInstances.map((a) => a.Name).join()),
    (error) => { console.error(error.code ?? error.name); process.exitCode = 1; });`;

/** The program's end, with what it said; the settings are those printed at the start and more. */
async function run(command, args, more = {}) {
  const env = { ...process.env, ...server.env, ...more };
  const child = spawn(command, args, { cwd: join(import.meta.dirname, ".."), env });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (said += chunk));
  const code = await new Promise((resolve) => child.on("close", resolve));
  return { code, said };
}

test("Node trusts the CA after the printed export, and not without it", async () => {
  const trusting = await run(process.execPath, ["-e", program, server.https], { NODE_EXTRA_CA_CERTS: server.caFile });
  assert.equal(trusting.code, 0, trusting.said);
  assert.match(trusting.said, /^dev$/m);
  const other = await run(process.execPath, ["-e", program, server.https]);
  assert.equal(other.code, 1, "a server whose CA is not trusted was accepted");
});

const hasBoto3 = spawnSync("python3", ["-c", "import boto3"]).status === 0;
if (!hasBoto3) console.error("NOT TESTED: boto3 is not installed for python3, so its test is skipped");

test("boto3 does the main job over https", { skip: !hasBoto3 && "boto3 is not installed" }, async () => {
  const job = join(import.meta.dirname, "boto3_job.py");
  const done = await run("python3", [job, server.https, server.appArn], { AWS_CA_BUNDLE: server.caFile });
  assert.equal(done.code, 0, done.said);
  assert.match(done.said, /^done$/m);
});
