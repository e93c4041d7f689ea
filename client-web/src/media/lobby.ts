/** What the lobby's answers mean to somebody who waits, and when to ask again. */
import { ApiError, UnreachableError } from '../api/errors';
import type { LobbyAnswer } from '../api/types';

export type Standing = LobbyAnswer | { state: 'gone' };

/**
 * Where one stands; `undefined` while nobody can say. A network that comes back and a server that was busy
 * for a moment cost nobody their place: only the server's word that there is no such ticket does.
 */
export async function standing(asked: Promise<LobbyAnswer>): Promise<Standing | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof UnreachableError) return undefined;
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 404) return { state: 'gone' };
    if (error.status === 429 || error.status >= 500) return undefined;
    throw error;
  }
}

/** Resolves after that time; at once when the page is looked at again: hidden, its timers hardly run. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      window.clearTimeout(timer);
      document.removeEventListener('visibilitychange', look);
      resolve();
    };
    const look = () => {
      if (document.visibilityState === 'visible') done();
    };
    const timer = window.setTimeout(done, ms);
    document.addEventListener('visibilitychange', look);
  });
}
