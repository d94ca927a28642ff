import { after, afterEach, before } from "node:test";
import { Browser } from "./browser.mjs";
import { Site } from "./site.mjs";
import { Tab } from "./tab.mjs";

/**
 * What the tests of a file need that run the SDK in a page of another origin: the server, a gateway
 * before it if one is given, the page's site and a browser. Once they
 * run, ready makes what the file needs besides. Nothing may be wrong in the browser's console. Returns
 * what opens such a page.
 */
export function stage(server, { proxy, ready } = {}) {
  const browser = new Browser();
  const site = new Site();
  before(async () => {
    await site.start();
    await proxy?.start();
    await server.start();
    await browser.start();
    await ready?.();
  });
  after(async () => {
    await browser.stop();
    site.stop();
    proxy?.stop();
    await server.stop();
  });
  afterEach(() => browser.assertQuiet());
  return () => Tab.open(browser, site, server, proxy && `https://${proxy.host}`);
}
