/**
 * Where to go after signing in. Kept in this tab rather than in the address: the link of an encrypted
 * call ends in its key, and addresses are sent to servers.
 */
import { safeStorage } from '../state/preferences';

const KEY = 'sluice.next';

export function rememberNext(path: string): void {
  safeStorage('sessionStorage')?.setItem(KEY, path);
}

/** The remembered path, once; home without one. */
export function takeNext(): string {
  const storage = safeStorage('sessionStorage');
  const path = storage?.getItem(KEY) ?? '/';
  storage?.removeItem(KEY);
  return isOwnPath(path) ? path : '/';
}

/** `//evil.example` and `/\evil.example` are addresses of others. */
export function isOwnPath(path: string): boolean {
  return /^\/(?![/\\])/.test(path) && !path.includes('\\');
}
