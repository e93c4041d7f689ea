import { useEffect, useSyncExternalStore } from 'react';
import { account } from './account';
import type { Account } from './accountStore';

/** Who is signed in; asks once for the page. */
export function useAccount(): Account {
  useEffect(() => void account.start(), []);
  return useSyncExternalStore(account.subscribe, account.get);
}
