import { RoomEvent, Track, type Room, type TrackPublication } from 'livekit-client';

/**
 * Keeps what the person has on, so that "rejoin" brings them back that way. Followed while it
 * happens: by the time a room reports that it is disconnected, it has already taken its tracks down.
 */
export function rememberIntent(room: Room, intent: { camera: boolean; microphone: boolean }): void {
  const record = (publication: TrackPublication, on: boolean) => {
    if (publication.source === Track.Source.Camera) intent.camera = on;
    if (publication.source === Track.Source.Microphone) intent.microphone = on;
  };
  room
    .on(RoomEvent.LocalTrackPublished, (publication) => {
      record(publication, !publication.isMuted);
    })
    .on(RoomEvent.TrackMuted, (publication, participant) => {
      if (participant.isLocal) record(publication, false);
    })
    .on(RoomEvent.TrackUnmuted, (publication, participant) => {
      if (participant.isLocal) record(publication, true);
    });
}
