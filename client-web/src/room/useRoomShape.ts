import { useParticipants } from '@livekit/components-react';
import { RoomEvent } from 'livekit-client';

/** The little the whole page depends on. It must not render again whenever somebody speaks. */
export function useRoomShape(): { alone: boolean; sharing: boolean } {
  const participants = useParticipants({
    updateOnlyOn: [
      RoomEvent.TrackPublished,
      RoomEvent.TrackUnpublished,
      RoomEvent.LocalTrackPublished,
      RoomEvent.LocalTrackUnpublished,
    ],
  });
  return {
    alone: participants.length === 1,
    sharing: participants.some((one) => one.isScreenShareEnabled),
  };
}
