import type { TrackReferenceOrPlaceholder } from '@livekit/components-react';
import { ParticipantEvent, Track, type TrackPublication } from 'livekit-client';
import { useEffect, useState } from 'react';

/** The server holds this picture back because my connection cannot carry it. Frozen needs a reason. */
export function useStreamPaused(trackRef: TrackReferenceOrPlaceholder): boolean {
  const { participant, source } = trackRef;
  // A tile that comes back (another page, another layout) was not there to hear it.
  const [paused, setPaused] = useState(
    () => trackRef.publication?.track?.streamState === Track.StreamState.Paused,
  );
  useEffect(() => {
    const onState = (publication: TrackPublication, state: Track.StreamState) => {
      if (publication.source === source) setPaused(state === Track.StreamState.Paused);
    };
    const onGone = (publication: TrackPublication) => {
      if (publication.source === source) setPaused(false);
    };
    participant
      .on(ParticipantEvent.TrackStreamStateChanged, onState)
      .on(ParticipantEvent.TrackUnpublished, onGone);
    return () => {
      participant
        .off(ParticipantEvent.TrackStreamStateChanged, onState)
        .off(ParticipantEvent.TrackUnpublished, onGone);
    };
  }, [participant, source]);
  return paused;
}
