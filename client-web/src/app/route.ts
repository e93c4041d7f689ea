/** Which page an address means. */
import { roomIdFromPath } from '../state/joinLink';

export type Route =
  { page: 'home' } | { page: 'room'; id: string } | { page: 'signin' } | { page: 'nowhere' };

export function parseRoute(pathname: string): Route {
  const path = pathname.length > 1 ? pathname.replace(/\/$/, '') : pathname;
  switch (path) {
    case '/':
    case '/index.html':
      return { page: 'home' };
    case '/signin':
      return { page: 'signin' };
  }
  const id = roomIdFromPath(pathname);
  return id === undefined ? { page: 'nowhere' } : { page: 'room', id };
}
