/** Small questions about livekit's track references. */
import {
  isTrackReference,
  type TrackReference,
  type TrackReferenceOrPlaceholder,
} from '@livekit/components-react';
import { Track } from 'livekit-client';
import type { Stageable } from '../state/layout';

/** Stable over republishing, unlike a track sid: a tile keeps its place when a camera is restarted. */
export function tileKey(trackRef: TrackReferenceOrPlaceholder): string {
  return `${trackRef.participant.identity}:${trackRef.source}`;
}

export function isShare(trackRef: TrackReferenceOrPlaceholder): boolean {
  return trackRef.source === Track.Source.ScreenShare;
}

/** There is a picture to attach: published, subscribed, and not a placeholder. */
export function isShowing(trackRef: TrackReferenceOrPlaceholder): trackRef is TrackReference {
  return isTrackReference(trackRef) && trackRef.publication.track !== undefined;
}

export function toStageable(trackRef: TrackReferenceOrPlaceholder): Stageable {
  return {
    key: tileKey(trackRef),
    identity: trackRef.participant.identity,
    isShare: isShare(trackRef),
    isLocal: trackRef.participant.isLocal,
  };
}
