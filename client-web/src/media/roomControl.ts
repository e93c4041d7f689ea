/**
 * Listens to what the room itself says, from before the connection stands: the first notices arrive
 * with it, and a view that appears later must not have missed them.
 */
import { RoomEvent, type RemoteParticipant, type Room } from 'livekit-client';
import {
  NO_CONTROL,
  NOTICE_TOPIC,
  parseNotice,
  reduceControl,
  type Control,
} from '../state/notices';

export class RoomControl {
  private value: Control = NO_CONTROL;
  private readonly listeners = new Set<() => void>();

  constructor(room: Room) {
    room.on(
      RoomEvent.DataReceived,
      (payload: Uint8Array, from?: RemoteParticipant, _kind?: unknown, topic?: string) => {
        // A packet with a sender is somebody who plays the server.
        if (topic !== NOTICE_TOPIC || from !== undefined) return;
        const notice = parseNotice(payload);
        if (notice) this.become(reduceControl(this.value, notice));
      },
    );
  }

  get = (): Control => this.value;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** The request was answered or put aside. */
  settleRequest = (): void => {
    this.become({ ...this.value, request: undefined });
  };

  private become(value: Control): void {
    this.value = value;
    for (const listener of this.listeners) listener();
  }
}
