// The files of conformance/cases through the JavaScript SDK: in Node, and in a page of another
// origin than the server, where every call crosses origins. Go runs the same files.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as identity from "@aws-sdk/client-chime-sdk-identity";
import * as messaging from "@aws-sdk/client-chime-sdk-messaging";
import { parse } from "yaml";
import { Browser } from "./lib/browser.mjs";
import { runFile } from "./lib/cases.mjs";
import { Server } from "./lib/server.mjs";
import { Site } from "./lib/site.mjs";

const folder = join(import.meta.dirname, "../../conformance/cases");
const read = (...path) => parse(readFileSync(join(folder, ...path), "utf8"));
const words = read("vocabulary.yaml");
const files = ["identity", "messaging"].flatMap((service) =>
  readdirSync(join(folder, service)).map((name) => ({ service, operation: basename(name, ".yaml"), ...read(service, name) })),
);
const servers = Object.fromEntries(Object.entries(words.servers).map(([name, settings]) => [name, new Server(settings)]));
const all = Object.entries(servers);

before(() => Promise.all(all.map(([, server]) => server.start())));
after(() => Promise.all(all.map(([, server]) => server.stop())));

describe("every operation, from Node", { concurrency: 4 }, () => {
  let clients;
  before(() => {
    clients = Object.fromEntries(
      all.map(([name, server]) => {
        const settings = { maxAttempts: 1 };
        const host = new URL(server.http).host;
        return [name, { host, identity: { sdk: identity, client: server.identity(settings) }, messaging: { sdk: messaging, client: server.messaging(settings) } }];
      }),
    );
  });
  for (const file of files) {
    test(`${file.service} ${file.operation}`, async () => assert.deepEqual(await runFile(file, words, clients), {}));
  }
});

describe("every operation, from Chromium", { concurrency: 4 }, () => {
  const browser = new Browser();
  const site = new Site();
  let page, settings;
  before(async () => {
    await site.start();
    await browser.start();
    settings = Object.fromEntries(all.map(([name, server]) => [name, { ...server.settings({ maxAttempts: 1 }), host: new URL(server.http).host }]));
    page = await browser.page([site.host, ...all.map(([, server]) => new URL(server.http).host)]);
    await page.goto(site.origin);
    await page.waitForFunction(() => "sdk" in window);
  });
  after(async () => {
    await browser.stop();
    site.stop();
    browser.assertQuiet();
  });
  for (const file of files) {
    test(`${file.service} ${file.operation}`, async () => {
      const wrong = await page.evaluate(([file, words, settings]) => window.sdk.cases(file, words, settings), [file, words, settings]);
      assert.deepEqual(wrong, {});
    });
  }
});
