/**
 * Who is signed in on this page. The access token lives in memory only and is renewed by a cookie that
 * scripts cannot read; all that is kept between visits is that there may be such a cookie.
 */
import type { SignedIn, User } from '../api/accounts';

export type Account =
  /** Not asked yet. */
  { status: 'unknown' } | { status: 'guest' } | { status: 'signed_in'; user: User };

export interface AccountParts {
  signIn(login: string, password: string): Promise<SignedIn>;
  refresh(): Promise<SignedIn>;
  /** With the access token, which ends as well. */
  signOut(token: string | undefined): Promise<unknown>;
  /** The server said that there is no such cookie, or not any more. */
  isRefused(error: unknown): boolean;
  /** The server does not take the access token any more, whatever its clock says. */
  isStale(error: unknown): boolean;
  /** Unix milliseconds. */
  now(): number;
  /** Remembers between visits that a cookie may be there: guests are not asked to refresh nothing. */
  hint: {
    get(): boolean;
    set(signedIn: boolean): void;
    /** Calls when another tab signs in or out. */
    watch(changed: (signedIn: boolean) => void): void;
  };
  /** One tab renews at a time: a renewal makes the cookie of the others void. */
  alone<T>(work: () => Promise<T>): Promise<T>;
}

/** Renewed this long before its end, so that a request under way does not outlive it. */
const MARGIN_MS = 30_000;

export class AccountStore {
  private value: Account = { status: 'unknown' };
  private access: { token: string; until: number } | undefined;
  private renewal: Promise<void> | undefined;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly parts: AccountParts) {
    parts.hint.watch((signedIn) => {
      if (!signedIn) this.becomeGuest();
      else if (this.value.status === 'guest') void this.renew();
    });
  }

  get = (): Account => this.value;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Finds out who this is, once. A server that is away leaves one a guest until the next visit. */
  async start(): Promise<void> {
    if (this.value.status !== 'unknown') return;
    if (!this.parts.hint.get()) this.become({ status: 'guest' });
    else await this.renew();
  }

  /** Comes back from a provider: there is a cookie now that this page knows nothing of. */
  async arrive(): Promise<void> {
    this.parts.hint.set(true);
    await this.renew();
  }

  async signIn(login: string, password: string): Promise<void> {
    this.accept(await this.parts.signIn(login, password));
  }

  /** Takes what a registration gave, or a new password: that ends all tokens from before. */
  accept({ access_token, expires_in_s, user }: SignedIn): void {
    this.renewal = undefined;
    this.access = { token: access_token, until: this.parts.now() + expires_in_s * 1000 };
    this.parts.hint.set(true);
    this.become({ status: 'signed_in', user });
  }

  /**
   * Rejects when the server does not hear it: the cookie would sign the next one at this browser in again,
   * so one stays signed in and is told.
   */
  async signOut(): Promise<void> {
    // A renewal under way would bring a new cookie, after the old one was given back.
    await this.renewal;
    await this.parts.alone(async () => {
      try {
        await this.parts.signOut(this.access?.token);
      } catch (error) {
        if (!this.parts.isRefused(error)) throw error;
      }
      this.forget();
    });
  }

  /** A token that is good for the next request; `undefined` for guests. */
  token = async (): Promise<string | undefined> => {
    await this.start();
    if (this.value.status !== 'signed_in') return undefined;
    if (!this.access || this.access.until - MARGIN_MS <= this.parts.now()) await this.renew();
    return this.access?.token;
  };

  /**
   * Asks with such a token, and once more with a new one where the server does not take it any more: it
   * was started again, or somebody signed this account out everywhere.
   */
  ask = async <T>(question: (token: string | undefined) => Promise<T>): Promise<T> => {
    const token = await this.token();
    try {
      return await question(token);
    } catch (error) {
      if (token === undefined || !this.parts.isStale(error)) throw error;
      // Of several questions that failed together the first renews for all.
      if (this.access?.token === token) this.access = undefined;
      if (!this.access) await this.renew();
      if (!this.access) throw error;
      return question(this.access.token);
    }
  };

  private renew(): Promise<void> {
    if (this.renewal) return this.renewal;
    // Who has signed out or in meanwhile must not become who one was by an answer that comes late.
    const isLate = () => this.renewal !== renewal;
    const renewal = this.parts
      .alone(() => this.parts.refresh())
      .then(
        (signedIn) => {
          if (!isLate()) this.accept(signedIn);
        },
        (error: unknown) => {
          if (isLate()) return;
          this.renewal = undefined;
          if (this.parts.isRefused(error)) this.forget();
          // The cookie may still be good: the next visit asks again.
          else if (this.value.status === 'unknown') this.become({ status: 'guest' });
        },
      );
    this.renewal = renewal;
    return renewal;
  }

  private forget(): void {
    this.parts.hint.set(false);
    this.becomeGuest();
  }

  private becomeGuest(): void {
    this.access = undefined;
    this.renewal = undefined;
    this.become({ status: 'guest' });
  }

  private become(value: Account): void {
    this.value = value;
    for (const listener of this.listeners) listener();
  }
}
