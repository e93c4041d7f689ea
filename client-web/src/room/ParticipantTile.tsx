import {
  useConnectionQualityIndicator,
  useIsMuted,
  useIsSpeaking,
  useParticipantInfo,
  VideoTrack,
  type TrackReferenceOrPlaceholder,
} from '@livekit/components-react';
import { Track } from 'livekit-client';
import { displayName } from '../state/people';
import { TileView } from './TileView';
import { useStreamPaused } from './useStreamPaused';
import { isShare, isShowing, tileKey } from './trackReference';

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
  const { name } = useParticipantInfo({ participant });
  const { quality } = useConnectionQualityIndicator({ participant });
  const speaking = useIsSpeaking(participant);
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
        quality: quality,
        turn,
      }}
      {...(isShowing(trackRef) && !videoMuted
        ? { video: <VideoTrack trackRef={trackRef} className={mirrored ? 'mirrored' : ''} /> }
        : {})}
    />
  );
}
