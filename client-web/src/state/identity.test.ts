import { expect, it } from 'vitest';
import { TabIdentity } from './identity';

const ada = { identity: 'ada-7f3k', returnKey: '17.c2ln' };

function storage(entries: Record<string, string> = {}) {
  const map = new Map(Object.entries(entries));
  return {
    getItem: (key: string) => map.get(key) ?? null,
    setItem: (key: string, value: string) => void map.set(key, value),
    removeItem: (key: string) => void map.delete(key),
    copy: () => storage(Object.fromEntries(map)),
  };
}

/** Web Locks of one browser: the first to ask holds a name, the others wait and give up. */
function browserLocks() {
  const held = new Set<string>();
  const request = (name: string, _options: LockOptions, callback: LockGrantedCallback<unknown>) => {
    if (held.has(name)) return Promise.reject(new DOMException('timed out', 'AbortError'));
    held.add(name);
    return Promise.resolve(callback(null));
  };
  return { request, release: () => held.clear() } as unknown as Pick<LockManager, 'request'> & {
    release: () => void;
  };
}

it('a tab is nobody until it has joined, then the same person after a reload', async () => {
  const session = storage();
  const locks = browserLocks();
  const tab = new TabIdentity(session, locks);
  expect(await tab.recall('k3m9x2qa')).toBeUndefined();
  await tab.remember('k3m9x2qa', ada);
  expect(await tab.recall('k3m9x2qa')).toEqual(ada);

  locks.release();
  const reloaded = new TabIdentity(session, locks);
  expect(await reloaded.recall('k3m9x2qa')).toEqual(ada);
  expect(await reloaded.recall('otherone')).toBeUndefined();
});

it('asking twice at once does not make a tab wait for itself', async () => {
  const session = storage();
  const locks = browserLocks();
  await new TabIdentity(session, locks).remember('k3m9x2qa', ada);
  locks.release();
  const reloaded = new TabIdentity(session, locks);
  const both = [reloaded.recall('k3m9x2qa'), reloaded.recall('k3m9x2qa')];
  expect(await Promise.all(both)).toEqual([ada, ada]);
});

it('a duplicated tab is somebody new: two with one identity would throw each other out', async () => {
  const session = storage();
  const locks = browserLocks();
  await new TabIdentity(session, locks).remember('k3m9x2qa', ada);

  const duplicate = new TabIdentity(session.copy(), locks);
  expect(await duplicate.recall('k3m9x2qa')).toBeUndefined();
});

it('works without storage and without locks', async () => {
  expect(await new TabIdentity(undefined, undefined).recall('k3m9x2qa')).toBeUndefined();
  const tab = new TabIdentity(storage(), undefined);
  await tab.remember('k3m9x2qa', ada);
  expect(await tab.recall('k3m9x2qa')).toEqual(ada);
});

it.each(['ada-7f3k', '{', 'null', '{"identity":7}'])('is nobody by %s', async (stored) => {
  const tab = new TabIdentity(storage({ 'sluice.identity.k3m9x2qa': stored }), undefined);
  expect(await tab.recall('k3m9x2qa')).toBeUndefined();
});
