import { RemoteParticipant, Room, RoomEvent, Track, type TrackPublication } from 'livekit-client';
import { expect, it } from 'vitest';
import { rememberIntent } from './rememberIntent';

it('rejoining brings back what I had on, whatever the others do', () => {
  const room = new Room();
  const intent = { camera: true, microphone: false };
  rememberIntent(room, intent);
  const camera = { source: Track.Source.Camera } as TrackPublication;
  const microphone = { source: Track.Source.Microphone } as TrackPublication;
  const other = Object.create(RemoteParticipant.prototype, {
    isLocal: { value: false },
  }) as RemoteParticipant;

  room.emit(RoomEvent.TrackMuted, camera, room.localParticipant);
  room.emit(RoomEvent.TrackUnmuted, microphone, room.localParticipant);
  expect(intent).toEqual({ camera: false, microphone: true });

  room.emit(RoomEvent.TrackMuted, microphone, other);
  expect(intent.microphone).toBe(true);
});
