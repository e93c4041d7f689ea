/** The address bar as an observable value: all the router three pages need. */
import { useSyncExternalStore } from 'react';

const listeners = new Set<() => void>();

let navigated = false;

/** `replace`: the page one is on is not one to come back to. */
export function navigate(to: string, { replace = false } = {}): void {
  if (replace) window.history.replaceState(null, '', to);
  else window.history.pushState(null, '', to);
  navigated = true;
  window.scrollTo(0, 0);
  for (const listener of listeners) listener();
}

/** This is not the page that the tab was opened with: nobody but us leads the reader on. */
export function hasNavigated(): boolean {
  return navigated;
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
