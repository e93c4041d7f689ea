/** Which page an address means. */
import { roomIdFromPath } from '../state/joinLink';

export const ADMIN_TABS = ['overview', 'rooms', 'events', 'users', 'settings'] as const;
export type AdminTab = (typeof ADMIN_TABS)[number];

export type Route =
  | { page: 'home' }
  | { page: 'room'; id: string }
  | { page: 'signin' }
  | { page: 'sessions' }
  | { page: 'session'; id: string }
  | { page: 'recordings' }
  | { page: 'recording'; id: string }
  | { page: 'admin'; tab: AdminTab }
  | { page: 'api' }
  | { page: 'nowhere' };

export function parseRoute(pathname: string): Route {
  const path = pathname.length > 1 ? pathname.replace(/\/$/, '') : pathname;
  switch (path) {
    case '/':
    case '/index.html':
      return { page: 'home' };
    case '/signin':
      return { page: 'signin' };
    case '/sessions':
      return { page: 'sessions' };
    case '/recordings':
      return { page: 'recordings' };
    case '/admin':
      return { page: 'admin', tab: 'overview' };
    case '/docs/api':
      return { page: 'api' };
  }
  const [, list, one] = /^\/(sessions|recordings)\/([A-Za-z0-9_-]{1,128})$/.exec(path) ?? [];
  if (one !== undefined) return { page: list === 'sessions' ? 'session' : 'recording', id: one };
  const tab = ADMIN_TABS.find((name) => path === `/admin/${name}`);
  if (tab !== undefined) return { page: 'admin', tab };
  const id = roomIdFromPath(pathname);
  return id === undefined ? { page: 'nowhere' } : { page: 'room', id };
}
