// A push service of browsers, and the browsers that have subscribed to it. What it gets is opened by a library of
// others (http_ece), and the token of the server is verified with Node's own cryptography.
import assert from "node:assert/strict";
import { createECDH, createPublicKey, randomBytes, verify } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import ece from "http_ece";

export class PushService {
  #server = createServer((request, response) => this.#take(request, response));
  #browsers = new Map();
  #notifications = [];
  #asked = [];

  async start() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.origin = `http://127.0.0.1:${this.#server.address().port}`;
    return this;
  }

  /** A new subscription, as PushSubscription.toJSON gives it. */
  subscribe() {
    const path = `/push/${randomBytes(8).toString("hex")}`;
    const keys = createECDH("prime256v1");
    const browser = { publicKey: keys.generateKeys(), keys, secret: randomBytes(16), gone: false };
    this.#browsers.set(path, browser);
    return {
      endpoint: this.origin + path,
      expirationTime: null,
      keys: { p256dh: browser.publicKey.toString("base64url"), auth: browser.secret.toString("base64url") },
    };
  }

  /** Ends a subscription, as a browser that is reset does. */
  forget({ endpoint }) {
    this.#browsers.get(new URL(endpoint).pathname).gone = true;
  }

  async #take(request, response) {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const browser = this.#browsers.get(request.url);
    if (browser === undefined || browser.gone) {
      response.writeHead(410).end();
      return;
    }
    const text = ece.decrypt(Buffer.concat(chunks), {
      version: "aes128gcm",
      privateKey: browser.keys,
      authSecret: browser.secret.toString("base64url"),
    });
    response.writeHead(201).end();
    const notification = { path: request.url, headers: request.headers, text: text.toString(), key: this.#verified(request) };
    const waits = this.#asked.shift();
    if (waits) waits(notification);
    else this.#notifications.push(notification);
  }

  /** The key of the server, whose token is good. */
  #verified(request) {
    const [, token, key] = /^vapid t=([^,]+), k=(\S+)$/.exec(request.headers.authorization);
    const [head, body, signature] = token.split(".");
    const point = Buffer.from(key, "base64url");
    const jwk = { kty: "EC", crv: "P-256", x: point.subarray(1, 33).toString("base64url"), y: point.subarray(33).toString("base64url") };
    const options = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
    assert.ok(verify("sha256", Buffer.from(`${head}.${body}`), options, Buffer.from(signature, "base64url")), "the token is signed");
    const claims = JSON.parse(Buffer.from(body, "base64url"));
    assert.equal(claims.aud, this.origin);
    assert.ok(claims.exp > Date.now() / 1000 && claims.exp < Date.now() / 1000 + 24 * 60 * 60, "the token is of today");
    return key;
  }

  /** The next notification. */
  next() {
    return this.#notifications.length > 0 ? this.#notifications.shift() : new Promise((resolve) => this.#asked.push(resolve));
  }

  stop() {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
