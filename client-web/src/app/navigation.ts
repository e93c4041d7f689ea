/** The address bar as an observable value: all the router three pages need. */
import { useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();

export function navigate(to: string): void {
  window.history.pushState(null, '', to);
  for (const listener of listeners) listener();
}

/** Path, query and fragment: a change of the key in the fragment is another call. */
export function useAddress(): string {
  return useSyncExternalStore(subscribe, () => {
    const { pathname, search, hash } = window.location;
    return pathname + search + hash;
  });
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener('popstate', listener);
  window.addEventListener('hashchange', listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener('popstate', listener);
    window.removeEventListener('hashchange', listener);
  };
}
