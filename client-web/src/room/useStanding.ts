import { useRoomContext } from '@livekit/components-react';
import { ParticipantEvent } from 'livekit-client';
import { useSyncExternalStore } from 'react';
import type { RoomControl } from '../media/roomControl';
import { handOf, moderates, roleOf, type Control } from '../state/notices';
import { useCurrent } from './useCurrent';

const DESCRIBED = [ParticipantEvent.AttributesChanged];

export interface Standing {
  role: string;
  moderates: boolean;
  handUp: boolean;
}

/** What I am in this room, and what the room says of itself. */
export function useStanding(roomControl: RoomControl): [Standing, Control] {
  const control = useSyncExternalStore(roomControl.subscribe, roomControl.get);
  const me = useRoomContext().localParticipant;
  const role = useCurrent(me, DESCRIBED, ({ attributes }) => roleOf(attributes));
  const handUp = useCurrent(me, DESCRIBED, ({ attributes }) => handOf(attributes) !== undefined);
  return [{ role, moderates: moderates(role, control), handUp }, control];
}
