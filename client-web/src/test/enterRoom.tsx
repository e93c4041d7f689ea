import { act, render } from '@testing-library/react';
import userEvent, { type UserEvent } from '@testing-library/user-event';
import { Room, RoomEvent } from 'livekit-client';
import { vi } from 'vitest';
import { RoomControl } from '../media/roomControl';
import type { failure } from '../state/failure';
import { RoomView } from '../room/RoomView';

const info = {
  id: 'k3m9x2qa',
  name: 'Weekly',
  num_participants: 1,
  max_participants: 0,
  created_at: 0,
};

/** A call in a livekit Room that has not reached a server: everything but the network is real. */
export function enter({
  key,
  problems = [] as ReturnType<typeof failure>[],
}: { key?: string; problems?: ReturnType<typeof failure>[] } = {}) {
  const room = new Room();
  const onLeave = vi.fn();
  const user: UserEvent = userEvent.setup();
  render(
    <RoomView
      session={{
        room,
        joinedAt: Date.now(),
        encrypted: key !== undefined,
        token: () => 'token',
        control: new RoomControl(room),
        problems: Promise.resolve(problems),
      }}
      roomInfo={info}
      encryptionKey={key}
      onLeave={onLeave}
    />,
  );
  return { room, onLeave, user };
}

/** The room itself says something: a packet without a sender. */
export function say(room: Room, notice: object) {
  const packet = new TextEncoder().encode(JSON.stringify(notice));
  act(() => {
    room.emit(RoomEvent.DataReceived, packet, undefined, undefined, 'sluice.room');
  });
}
