import { expect, it } from 'vitest';
import { lasted, roomName, stayed } from './sessions';

it('says how long it was, or has been', () => {
  expect(lasted({ phase: 'ended', started_at: 0, duration_seconds: 93 })).toBe('1 min 33 s');
  expect(lasted({ phase: 'active', started_at: 0, duration_seconds: null }, 60_000)).toBe(
    '1 min until now',
  );
  expect(lasted({ phase: 'scheduled', started_at: null, duration_seconds: null })).toBe('–');
});

it('says how long somebody was there, or has been', () => {
  expect(stayed({ joined_at: 0, left_at: 93_000, duration_seconds: 93 })).toBe('1 min 33 s');
  expect(stayed({ joined_at: 30_000, left_at: null, duration_seconds: null }, 90_000)).toBe(
    '1 min until now',
  );
});

it('a room without a name is called by its id', () => {
  expect(roomName({ room_name: '', room_id: 'k3m9x2qa' })).toBe('k3m9x2qa');
});
