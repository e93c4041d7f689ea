/** What the server says of itself, asked once for the page. */
import { useEffect, useSyncExternalStore } from 'react';
import { api } from '../api/client';
import type { ServerInfo } from '../api/types';

let known: ServerInfo | undefined;
let asked: Promise<void> | undefined;
const listeners = new Set<() => void>();

/** `undefined` until it has answered; the next view asks again if it did not. */
export function useServerInfo(): ServerInfo | undefined {
  useEffect(() => void load(), []);
  return useSyncExternalStore(subscribe, () => known);
}

function load(): Promise<void> {
  asked ??= api.info().then(
    (info) => {
      known = info;
      for (const listener of listeners) listener();
    },
    () => {
      asked = undefined;
    },
  );
  return asked;
}

/** For tests, each of which has a server of its own. */
export function forgetServerInfo(): void {
  known = undefined;
  asked = undefined;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
