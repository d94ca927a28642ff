import { describe, expect, test } from "vitest";
import { CredentialSource } from "../../src/api/credentials";
import type { SignIn } from "../../src/api/dev";

class Exchange {
  now = 1_000_000;
  count = 0;
  failing = false;
  lifeMs = 3_600_000;
  readonly source = new CredentialSource(this.exchange.bind(this), () => this.now);

  private async exchange(): Promise<SignIn> {
    this.count++;
    if (this.failing) throw new Error("no answer");
    const expiration = new Date(this.now + this.lifeMs);
    const credentials = { accessKeyId: `key${this.count}`, secretAccessKey: "s", sessionToken: "t", expiration };
    return { userArn: "arn", userId: "alice", name: "Alice", credentials };
  }
}

describe("credentials", () => {
  test("are fetched once for callers at the same time and later", async () => {
    const exchange = new Exchange();
    await Promise.all([exchange.source.provider(), exchange.source.provider()]);
    await exchange.source.provider();
    expect(exchange.count).toBe(1);
  });

  test("are fetched again before they expire", async () => {
    const exchange = new Exchange();
    await exchange.source.provider();
    exchange.now += 54 * 60_000;
    expect((await exchange.source.provider()).accessKeyId).toBe("key1");
    exchange.now += 2 * 60_000;
    expect((await exchange.source.provider()).accessKeyId).toBe("key2");
  });

  test("of a short life are still kept for most of it", async () => {
    const exchange = new Exchange();
    exchange.lifeMs = 60_000;
    await exchange.source.provider();
    exchange.now += 50_000;
    expect((await exchange.source.provider()).accessKeyId).toBe("key1");
    exchange.now += 5_000;
    expect((await exchange.source.provider()).accessKeyId).toBe("key2");
  });

  test("that could not be fetched are asked for again by the next caller", async () => {
    const exchange = new Exchange();
    exchange.failing = true;
    await expect(exchange.source.provider()).rejects.toThrow("no answer");
    exchange.failing = false;
    expect((await exchange.source.provider()).accessKeyId).toBe("key2");
  });
});
