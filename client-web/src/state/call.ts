/**
 * Where this tab stands with one room, as a state machine without livekit, timers or React:
 * checking -> prejoin -> joining -> (waiting ->) connected -> left | failed, and back by `retry`.
 */
import type { RoomInfo, RoomStatus } from '../api/types';
import { failure, type Failure } from './failure';

export type Call<Session> =
  | { phase: 'checking' }
  | { phase: 'prejoin'; room: RoomInfo; problem: Failure | undefined }
  /** `room` is unknown when a link with `join=1` goes straight to joining. */
  | { phase: 'joining'; room: RoomInfo | undefined }
  /** In the lobby, until a host decides. Position 1 is next. */
  | { phase: 'waiting'; room: RoomInfo | undefined; position: number }
  | { phase: 'connected'; room: RoomInfo; session: Session }
  | { phase: 'left'; room: RoomInfo }
  | { phase: 'failed'; room: RoomInfo | undefined; failure: Failure };

export type CallEvent<Session> =
  | { type: 'found'; room: RoomStatus }
  /** What is to be known before one comes in may change while one is at the door. */
  | { type: 'news'; room: RoomInfo }
  | { type: 'join' }
  | { type: 'waiting'; position: number }
  | { type: 'connected'; session: Session; room: RoomInfo }
  | { type: 'disconnected'; failure: Failure | undefined }
  /** `room`: for a link that went straight to joining, what it turned out to lead to. */
  | { type: 'failed'; failure: Failure; room?: RoomInfo | undefined }
  | { type: 'check' };

export function reduceCall<S>(call: Call<S>, event: CallEvent<S>): Call<S> {
  switch (event.type) {
    case 'check':
      return { phase: 'checking' };
    case 'found':
      if (call.phase !== 'checking') return call;
      return event.room.full
        ? { phase: 'failed', room: event.room, failure: failure('room_full') }
        : { phase: 'prejoin', room: event.room, problem: undefined };
    case 'news':
      return isAtDoor(call) ? { ...call, room: event.room } : call;
    case 'join':
      return call.phase === 'connected' ? call : { phase: 'joining', room: roomOf(call) };
    case 'waiting':
      return call.phase === 'joining' || call.phase === 'waiting'
        ? { phase: 'waiting', room: call.room, position: event.position }
        : call;
    case 'connected':
      return call.phase === 'joining' || call.phase === 'waiting'
        ? { phase: 'connected', session: event.session, room: event.room }
        : call;
    case 'disconnected':
      // Only a call that stood can end; a late event from an abandoned attempt changes nothing.
      if (call.phase !== 'connected') return call;
      return event.failure === undefined
        ? { phase: 'left', room: call.room }
        : { phase: 'failed', room: call.room, failure: event.failure };
    case 'failed': {
      const room = roomOf(call) ?? event.room;
      // A refused name or password is mended where it is typed, not on an error page.
      if (isQuestion(event.failure) && call.phase === 'joining' && room) {
        return { phase: 'prejoin', room, problem: event.failure };
      }
      return { phase: 'failed', room, failure: event.failure };
    }
  }
}

/** The door asks for something that can be typed or chosen. */
export function isQuestion({ kind }: Failure): boolean {
  return (
    kind === 'bad_name' ||
    kind === 'password_required' ||
    kind === 'wrong_password' ||
    kind === 'consent_required'
  );
}

/** On the page before the call, or in the lobby. */
export function isAtDoor<S>(
  call: Call<S>,
): call is Extract<Call<S>, { phase: 'prejoin' } | { phase: 'waiting' }> {
  return call.phase === 'prejoin' || call.phase === 'waiting';
}

function roomOf<S>(call: Call<S>): RoomInfo | undefined {
  return 'room' in call ? call.room : undefined;
}
