import { describe, expect, it, vi } from 'vitest';
import type { SignedIn } from '../api/accounts';
import { AccountStore, type AccountParts } from './accountStore';

const ada = {
  id: 'u-1',
  login: 'ada',
  name: 'Ada',
  roles: ['admin'],
  disabled: false,
  created_at: 0,
};
const pass = (access_token: string): SignedIn => ({ access_token, expires_in_s: 900, user: ada });

class Refused extends Error {}
class Stale extends Error {}

/** A page whose browser may have a cookie, at a time that the test moves. */
function page({ cookie = true, ...overrides }: Partial<AccountParts> & { cookie?: boolean } = {}) {
  let now = 0;
  let hinted = cookie;
  let renewals = 0;
  let otherTab: (signedIn: boolean) => void = () => undefined;
  const parts = {
    signIn: vi.fn(() => Promise.resolve(pass('first'))),
    refresh: vi.fn(() => Promise.resolve(pass(`renewed-${String(++renewals)}`))),
    signOut: vi.fn<AccountParts['signOut']>(() => Promise.resolve()),
    isRefused: (error: unknown) => error instanceof Refused,
    isStale: (error: unknown) => error instanceof Stale,
    now: () => now,
    hint: {
      get: () => hinted,
      set: (value: boolean) => {
        hinted = value;
      },
      watch: (changed: typeof otherTab) => {
        otherTab = changed;
      },
    },
    alone: <T>(work: () => Promise<T>) => work(),
    ...overrides,
  };
  const store = new AccountStore(parts);
  return { store, parts, hinted: () => hinted, pass: (ms: number) => (now += ms), otherTab };
}

describe('who is signed in', () => {
  it('a guest is asked nothing and shows nothing', async () => {
    const { store, parts } = page({ cookie: false });
    expect(await store.token()).toBeUndefined();
    expect(store.get()).toEqual({ status: 'guest' });
    expect(parts.refresh).not.toHaveBeenCalled();
  });

  it('a reload is still the same person', async () => {
    const { store } = page();
    expect(await store.token()).toBe('renewed-1');
    expect(store.get()).toEqual({ status: 'signed_in', user: ada });
  });

  it('renews a pass shortly before it ends, once for all who ask', async () => {
    const { store, parts, pass: time } = page({ cookie: false });
    await store.start();
    await store.signIn('ada', 's3cret');
    time(869_000);
    expect(await store.token()).toBe('first');
    time(1_000);
    expect(await Promise.all([store.token(), store.token()])).toEqual(['renewed-1', 'renewed-1']);
    expect(parts.refresh).toHaveBeenCalledOnce();
  });

  /** A server that takes this token alone. */
  const taking = (good: string) => (token: string | undefined) =>
    token === good ? Promise.resolve('answer') : Promise.reject(new Stale());

  it('a token the server takes no more is renewed at once, for all questions together', async () => {
    const { store, parts } = page({ cookie: false });
    await store.start();
    await store.signIn('ada', 's3cret');
    const question = vi.fn(taking('renewed-1'));
    expect(await Promise.all([store.ask(question), store.ask(question)])).toEqual([
      'answer',
      'answer',
    ]);
    expect(parts.refresh).toHaveBeenCalledOnce();
    expect(question.mock.calls.flat()).toEqual(['first', 'first', 'renewed-1', 'renewed-1']);
  });

  it('asks no third time, and other refusals not even twice', async () => {
    const { store } = page();
    const never = vi.fn(taking('none'));
    await expect(store.ask(never)).rejects.toBeInstanceOf(Stale);
    expect(never).toHaveBeenCalledTimes(2);
    const other = vi.fn(() => Promise.reject(new Error('no')));
    await expect(store.ask(other)).rejects.toThrow('no');
    expect(other).toHaveBeenCalledOnce();
  });

  it('who was signed out everywhere hears why, and is a guest', async () => {
    const { store } = page({ cookie: false, refresh: () => Promise.reject(new Refused()) });
    await store.start();
    await store.signIn('ada', 's3cret');
    await expect(store.ask(taking('none'))).rejects.toBeInstanceOf(Stale);
    expect(store.get().status).toBe('guest');
    await expect(store.ask(taking('none'))).rejects.toBeInstanceOf(Stale);
  });

  it('a cookie that counts no more makes a guest who is not asked again', async () => {
    const { store, hinted } = page({ refresh: () => Promise.reject(new Refused()) });
    expect(await store.token()).toBeUndefined();
    expect(store.get().status).toBe('guest');
    expect(hinted()).toBe(false);
  });

  it('a server that is away makes a guest for now', async () => {
    const { store, hinted } = page({ refresh: () => Promise.reject(new Error('away')) });
    await store.start();
    expect(store.get().status).toBe('guest');
    expect(hinted()).toBe(true);
  });

  it('signing out ends the token as well, and forgets', async () => {
    const { store, parts, hinted } = page();
    await store.start();
    await store.signOut();
    expect(parts.signOut).toHaveBeenCalledExactlyOnceWith('renewed-1');
    expect(store.get()).toEqual({ status: 'guest' });
    expect(await store.token()).toBeUndefined();
    expect(hinted()).toBe(false);
  });

  it('who cannot tell the server stays signed in, and hears it', async () => {
    const { store, hinted } = page({ signOut: () => Promise.reject(new Error('away')) });
    await store.start();
    await expect(store.signOut()).rejects.toThrow('away');
    expect(store.get().status).toBe('signed_in');
    expect(hinted()).toBe(true);
  });

  it('a server that knows of no such sign-in has nothing to end', async () => {
    const { store } = page({ signOut: () => Promise.reject(new Refused()) });
    await store.start();
    await store.signOut();
    expect(store.get().status).toBe('guest');
  });

  it('signing out waits for a renewal under way, whose cookie would outlive it', async () => {
    let arrive: (signedIn: SignedIn) => void = () => undefined;
    const refresh = () =>
      new Promise<SignedIn>((resolve) => {
        arrive = resolve;
      });
    const { store, parts } = page({ refresh });
    const starting = store.start();
    const signingOut = store.signOut();
    await Promise.resolve();
    expect(parts.signOut).not.toHaveBeenCalled();
    arrive(pass('late'));
    await Promise.all([starting, signingOut]);
    expect(parts.signOut).toHaveBeenCalledExactlyOnceWith('late');
    expect(store.get().status).toBe('guest');
  });

  it('another tab signs out: this one is out as well, also with a renewal under way', async () => {
    let arrive: (signedIn: SignedIn) => void = () => undefined;
    const refresh = vi
      .fn<() => Promise<SignedIn>>()
      .mockResolvedValueOnce(pass('first'))
      .mockImplementationOnce(
        () =>
          new Promise((resolve) => {
            arrive = resolve;
          }),
      );
    const { store, pass: time, otherTab } = page({ refresh });
    await store.start();
    time(900_000);
    const asked = store.token();
    await Promise.resolve();
    otherTab(false);
    expect(store.get()).toEqual({ status: 'guest' });
    arrive(pass('late'));
    expect(await asked).toBeUndefined();
    expect(store.get()).toEqual({ status: 'guest' });
  });

  it('another tab signs in: so is this one', async () => {
    const { store, otherTab } = page({ cookie: false });
    await store.start();
    otherTab(true);
    await vi.waitFor(() => {
      expect(store.get().status).toBe('signed_in');
    });
  });

  it('comes back from a provider with a cookie this page has not heard of', async () => {
    const { store } = page({ cookie: false });
    await store.start();
    await store.arrive();
    expect(store.get().status).toBe('signed_in');
  });
});
