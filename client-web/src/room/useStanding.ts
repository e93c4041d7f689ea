import { useLocalParticipant, useParticipantAttributes } from '@livekit/components-react';
import { useSyncExternalStore } from 'react';
import type { RoomControl } from '../media/roomControl';
import { handOf, moderates, roleOf, type Control } from '../state/notices';

export interface Standing {
  role: string;
  moderates: boolean;
  handUp: boolean;
}

/** What I am in this room, and what the room says of itself. */
export function useStanding(roomControl: RoomControl): [Standing, Control] {
  const control = useSyncExternalStore(roomControl.subscribe, roomControl.get);
  const { localParticipant } = useLocalParticipant();
  const { attributes } = useParticipantAttributes({ participant: localParticipant });
  const mine = attributes ?? {};
  const role = roleOf(mine);
  return [
    { role, moderates: moderates(role, control), handUp: handOf(mine) !== undefined },
    control,
  ];
}
