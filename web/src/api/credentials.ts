import type { Credentials, SignIn } from "./dev";

const MINUTE = 60_000;

/**
 * Gives credentials that are still good: fetched once, shared by all callers,
 * fetched again when a tenth of their life (at most five minutes) is left.
 * A failed fetch is not remembered, the next caller tries again.
 */
export class CredentialSource {
  private current: Promise<SignIn> | undefined;
  private renewAt = 0;

  constructor(
    private readonly exchange: () => Promise<SignIn>,
    private readonly now: () => number = Date.now,
  ) {}

  signIn(): Promise<SignIn> {
    if (this.current === undefined || this.now() >= this.renewAt) this.renew();
    return this.current!;
  }

  /** The form in which AWS clients want it: read again at each signing. */
  provider = async (): Promise<Credentials> => (await this.signIn()).credentials;

  private renew(): void {
    const askedAt = this.now();
    this.renewAt = Infinity;
    const attempt = this.exchange();
    this.current = attempt;
    attempt.then(
      ({ credentials }) => {
        const life = credentials.expiration.getTime() - askedAt;
        this.renewAt = askedAt + life - Math.min(5 * MINUTE, life / 10);
      },
      () => {
        this.current = undefined;
      },
    );
  }
}
