import { useParticipants } from '@livekit/components-react';
import { RoomEvent } from 'livekit-client';
import { handOf, handOrder } from '../state/notices';

/** Whose turn it is, by identity. Follows attributes only: it must not render whenever somebody speaks. */
export function useHandOrder(): ReadonlyMap<string, number> {
  const participants = useParticipants({ updateOnlyOn: [RoomEvent.ParticipantAttributesChanged] });
  return handOrder(
    participants.map(({ identity, attributes }) => ({ identity, hand: handOf(attributes) })),
  );
}
