/** How sessions are written. */
import type { SessionInfo, Stay } from '../api/history';
import { duration } from './measures';

export function roomName({ room_name, room_id }: Pick<SessionInfo, 'room_name' | 'room_id'>) {
  return room_name === '' ? room_id : room_name;
}

type Times = Pick<SessionInfo, 'phase' | 'started_at' | 'duration_seconds'>;

/** One that goes on has no duration yet: it is said how long it has been. */
export function lasted({ phase, started_at, duration_seconds }: Times, now = Date.now()): string {
  if (phase === 'active' && started_at !== null) {
    return `${duration((now - started_at) / 1000)} until now`;
  }
  return duration(duration_seconds);
}

/** As `lasted`, of one person in a session. */
export function stayed(
  {
    joined_at,
    left_at,
    duration_seconds,
  }: Pick<Stay, 'joined_at' | 'left_at' | 'duration_seconds'>,
  now = Date.now(),
): string {
  if (left_at === null) return `${duration((now - joined_at) / 1000)} until now`;
  return duration(duration_seconds);
}
