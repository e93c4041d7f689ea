import type { TrackReferenceOrPlaceholder } from '@livekit/components-react';
import { ParticipantEvent, Track } from 'livekit-client';
import { useCurrent } from './useCurrent';

const HELD_BACK = [ParticipantEvent.TrackStreamStateChanged, ParticipantEvent.TrackUnpublished];

/** The server holds this picture back because my connection cannot carry it. Frozen needs a reason. */
export function useStreamPaused({ participant, source }: TrackReferenceOrPlaceholder): boolean {
  return useCurrent(
    participant,
    HELD_BACK,
    (one) => one.getTrackPublication(source)?.track?.streamState === Track.StreamState.Paused,
  );
}
