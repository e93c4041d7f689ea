import {
  useIsMuted,
  VideoTrack,
  type TrackReferenceOrPlaceholder,
} from '@livekit/components-react';
import { ParticipantEvent, Track } from 'livekit-client';
import { displayName } from '../state/people';
import { TileView } from './TileView';
import { useCurrent } from './useCurrent';
import { useStreamPaused } from './useStreamPaused';
import { isShare, isShowing, tileKey } from './trackReference';

const NAMED = [ParticipantEvent.ParticipantNameChanged];
const RATED = [ParticipantEvent.ConnectionQualityChanged];
const HEARD = [ParticipantEvent.IsSpeakingChanged];

interface ParticipantTileProps {
  trackRef: TrackReferenceOrPlaceholder;
  pinned?: boolean;
  compact?: boolean;
  turn?: number | undefined;
  onPin?: (() => void) | undefined;
  onInspect?: (() => void) | undefined;
}

/** livekit's state of one track, turned into a TileView. */
export function ParticipantTile({ trackRef, turn, onInspect, ...rest }: ParticipantTileProps) {
  const { participant } = trackRef;
  const name = useCurrent(participant, NAMED, (one) => one.name);
  const quality = useCurrent(participant, RATED, (one) => one.connectionQuality);
  const speaking = useCurrent(participant, HEARD, (one) => one.isSpeaking);
  const micMuted = useIsMuted({ participant, source: Track.Source.Microphone });
  const videoMuted = useIsMuted(trackRef);
  const paused = useStreamPaused(trackRef);
  const share = isShare(trackRef);
  const mirrored = participant.isLocal && !share;
  return (
    <TileView
      {...rest}
      // Nobody sends me my own picture.
      onInspect={participant.isLocal ? undefined : onInspect}
      tile={{
        key: tileKey(trackRef),
        identity: participant.identity,
        name: displayName(name, participant.identity),
        source: share ? 'screen_share' : 'camera',
        local: participant.isLocal,
        micMuted,
        speaking: speaking && !share,
        paused,
        quality,
        turn,
      }}
      {...(isShowing(trackRef) && !videoMuted
        ? { video: <VideoTrack trackRef={trackRef} className={mirrored ? 'mirrored' : ''} /> }
        : {})}
    />
  );
}
