import { expect, it } from 'vitest';
import { parseRoute } from './route';

it.each([
  ['/', { page: 'home' }],
  ['/r/k3m9x2qa', { page: 'room', id: 'k3m9x2qa' }],
  ['/r/k3m9x2qa/', { page: 'room', id: 'k3m9x2qa' }],
  // Made through the LiveKit server API, which lets one choose names.
  ['/r/Stand-up_1', { page: 'room', id: 'Stand-up_1' }],
  ['/r/', { page: 'nowhere' }],
  ['/r/a/b', { page: 'nowhere' }],
  ['/r/..%2Fapi', { page: 'nowhere' }],
  ['/signin', { page: 'signin' }],
  ['/sessions/', { page: 'sessions' }],
  ['/sessions/RM_7fk2', { page: 'session', id: 'RM_7fk2' }],
  ['/recordings', { page: 'recordings' }],
  ['/recordings/EG_7fk2', { page: 'recording', id: 'EG_7fk2' }],
  ['/recordings/EG_7fk2/files', { page: 'nowhere' }],
  ['/sessions/../admin', { page: 'nowhere' }],
  ['/admin', { page: 'admin', tab: 'overview' }],
  ['/admin/users', { page: 'admin', tab: 'users' }],
  ['/admin/nothing', { page: 'nowhere' }],
  ['/docs/api', { page: 'api' }],
  ['/about', { page: 'nowhere' }],
])('%s', (path, route) => {
  expect(parseRoute(path)).toEqual(route);
});
