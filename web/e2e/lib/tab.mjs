// A page of another origin with the published SDKs, its sessions and what they told.
const patienceMs = 30_000;

export class Tab {
  /** `endpoint` is the address that the page speaks to, by TLS. */
  static async open(browser, site, server, endpoint = server.https) {
    const tab = new Tab();
    tab.page = await browser.page([site.host, new URL(endpoint).host]);
    tab.server = server;
    tab.endpoint = endpoint;
    tab.sockets = []; // of URLs
    tab.asked = 0; // for the endpoint of the WebSocket
    tab.renewed = 0;
    tab.page.on("websocket", (socket) => tab.sockets.push(new URL(socket.url())));
    tab.page.on("request", (request) => (tab.asked += isQuestion(request)));
    await tab.page.exposeFunction("renew", (user, seconds) => (tab.renewed++, server.credentialsOf(user, seconds)));
    await tab.page.goto(site.origin);
    await tab.page.waitForFunction(() => "sdk" in window);
    return tab;
  }

  /**
   * Starts a session of the user without waiting for it. `seconds` is how long its credentials
   * last, of which new ones are made then; `settings` are those of the client that differ.
   */
  async begin(user, { name = user, seconds, settings, ...more } = {}) {
    const { credentials, ...usual } = this.server.settings({ endpoint: this.endpoint });
    const all = { ...usual, ...(seconds ? {} : { credentials: await this.server.credentialsOf(user) }), ...settings };
    await this.page.evaluate(
      ([name, arn, settings, more, user, seconds]) => window.sdk.open(name, arn, settings, more, seconds && (() => window.renew(user, seconds))),
      [name, this.server.userArn(user), all, more, user, seconds],
    );
    return name;
  }

  /** Starts sessions and waits until they are established. */
  async live(...users) {
    for (const user of users) await this.begin(user);
    for (const user of users) await this.until(user, "started", 1);
  }

  /** Waits until the count, or the length of the list, of a session is at least this. */
  async until(name, what, least) {
    const reached = ([name, what, least]) => (window.sdk.seen[name][what].length ?? window.sdk.seen[name][what]) >= least;
    await this.page.waitForFunction(reached, [name, what, least], { timeout: patienceMs }).catch(async (error) => {
      const { events, ...rest } = await this.seen(name);
      throw new Error(`${name}: ${what} is not ${least}: ${JSON.stringify(rest)} ${events.map((e) => e.type)}: ${error.message}`);
    });
  }

  /** Waits until the session is established or given up. */
  async untilSettled(name) {
    const settled = (name) => ((it) => it.started + it.refused.length + it.stopped.length > 0)(window.sdk.seen[name]);
    await this.page.waitForFunction(settled, name, { timeout: patienceMs }).catch(async (error) => {
      throw new Error(`${name} is neither: ${JSON.stringify(await this.seen(name))}: ${error.message}`);
    });
  }

  /** Waits until the session has an event of the type whose payload has these values. */
  async untilEvent(name, type, values) {
    const found = ([name, type, values]) =>
      window.sdk.seen[name].events.some((e) => e.type === type && Object.entries(values).every(([k, v]) => e.payload[k] === v));
    await this.page.waitForFunction(found, [name, type, values], { timeout: patienceMs }).catch(async (error) => {
      throw new Error(`${name}: no ${type} ${JSON.stringify(values)}: ${JSON.stringify(await this.seen(name))}: ${error.message}`);
    });
  }

  seen(name) {
    return this.page.evaluate((name) => window.sdk.seen[name], name);
  }

  take(name) {
    return this.page.evaluate((name) => window.sdk.take(name), name);
  }
}

function isQuestion(request) {
  return request.method() === "GET" && new URL(request.url()).pathname === "/endpoints/messaging-session";
}
