/** Three places: home, a room, nowhere. */
import { roomIdFromPath } from '../state/joinLink';

export type Route = { page: 'home' } | { page: 'room'; id: string } | { page: 'nowhere' };

export function parseRoute(pathname: string): Route {
  if (pathname === '/' || pathname === '/index.html') return { page: 'home' };
  const id = roomIdFromPath(pathname);
  return id === undefined ? { page: 'nowhere' } : { page: 'room', id };
}
