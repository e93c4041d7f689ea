import { useParticipants } from '@livekit/components-react';
import { displayName } from '../state/people';
import type { PersonModel } from './PeoplePanel';

export function usePeople(): PersonModel[] {
  return useParticipants().map((one) => ({
    identity: one.identity,
    name: displayName(one.name, one.identity),
    local: one.isLocal,
    micOn: one.isMicrophoneEnabled,
    cameraOn: one.isCameraEnabled,
    sharing: one.isScreenShareEnabled,
    speaking: one.isSpeaking,
    quality: one.connectionQuality,
  }));
}
