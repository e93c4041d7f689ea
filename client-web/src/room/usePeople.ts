import { useParticipants } from '@livekit/components-react';
import { handOf, handOrder, roleOf } from '../state/notices';
import { displayName } from '../state/people';
import type { PersonModel } from './PeoplePanel';

export function usePeople(): PersonModel[] {
  const participants = useParticipants();
  const turns = handOrder(
    participants.map(({ identity, attributes }) => ({ identity, hand: handOf(attributes) })),
  );
  return participants.map((one) => ({
    identity: one.identity,
    name: displayName(one.name, one.identity),
    local: one.isLocal,
    micOn: one.isMicrophoneEnabled,
    cameraOn: one.isCameraEnabled,
    sharing: one.isScreenShareEnabled,
    speaking: one.isSpeaking,
    quality: one.connectionQuality,
    role: roleOf(one.attributes),
    turn: turns.get(one.identity),
  }));
}
