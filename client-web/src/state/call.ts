/**
 * Where this tab stands with one room, as a state machine without livekit, timers or React:
 * checking -> prejoin -> joining -> connected -> left | failed, and back by `retry`.
 */
import type { RoomInfo, RoomStatus } from '../api/types';
import { failure, type Failure } from './failure';

export type Call<Session> =
  | { phase: 'checking' }
  | { phase: 'prejoin'; room: RoomInfo; problem: Failure | undefined }
  /** `room` is unknown when a link with `join=1` goes straight to joining. */
  | { phase: 'joining'; room: RoomInfo | undefined }
  | { phase: 'connected'; room: RoomInfo; session: Session }
  | { phase: 'left'; room: RoomInfo }
  | { phase: 'failed'; room: RoomInfo | undefined; failure: Failure };

export type CallEvent<Session> =
  | { type: 'found'; room: RoomStatus }
  | { type: 'join' }
  | { type: 'connected'; session: Session; room: RoomInfo }
  | { type: 'disconnected'; failure: Failure | undefined }
  | { type: 'failed'; failure: Failure }
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
    case 'join':
      return call.phase === 'connected' ? call : { phase: 'joining', room: roomOf(call) };
    case 'connected':
      return call.phase === 'joining'
        ? { phase: 'connected', session: event.session, room: event.room }
        : call;
    case 'disconnected':
      // Only a call that stood can end; a late event from an abandoned attempt changes nothing.
      if (call.phase !== 'connected') return call;
      return event.failure === undefined
        ? { phase: 'left', room: call.room }
        : { phase: 'failed', room: call.room, failure: event.failure };
    case 'failed':
      // A refused name is fixed where it is typed, not on an error page.
      if (event.failure.kind === 'bad_name' && call.phase === 'joining' && call.room) {
        return { phase: 'prejoin', room: call.room, problem: event.failure };
      }
      return { phase: 'failed', room: roomOf(call), failure: event.failure };
  }
}

function roomOf<S>(call: Call<S>): RoomInfo | undefined {
  return 'room' in call ? call.room : undefined;
}
