/** The account of this page: the store, wired to the API and the browser. */
import { accounts } from '../api/accounts';
import { ApiError } from '../api/errors';
import { safeStorage } from '../state/preferences';
import { AccountStore } from './accountStore';

const HINT = 'sluice.signedIn';

export const account = new AccountStore({
  signIn: accounts.signIn,
  refresh: accounts.refresh,
  signOut: accounts.signOut,
  isRefused: (error) => error instanceof ApiError && error.status < 500 && error.status !== 429,
  isStale: (error) =>
    error instanceof ApiError && error.status === 401 && error.code === 'bad_token',
  now: Date.now,
  hint: {
    get: isHinted,
    set(signedIn) {
      const storage = safeStorage('localStorage');
      try {
        if (signedIn) storage?.setItem(HINT, '1');
        else storage?.removeItem(HINT);
      } catch {
        // Without memory one signs in again at the next visit.
      }
    },
    watch(changed) {
      // Only other tabs are told; no key means that all was cleared.
      window.addEventListener('storage', ({ key }) => {
        if (key === HINT || key === null) changed(isHinted());
      });
    },
  },
  async alone<T>(work: () => Promise<T>): Promise<T> {
    // Absent on plain http pages.
    const locks = navigator.locks as LockManager | undefined;
    return locks ? locks.request('sluice.refresh', work) : work();
  },
});

function isHinted(): boolean {
  return safeStorage('localStorage')?.getItem(HINT) === '1';
}
