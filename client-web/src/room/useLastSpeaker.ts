import { useRoomContext } from '@livekit/components-react';
import { RoomEvent, type Participant } from 'livekit-client';
import { useEffect, useState } from 'react';

/** Who spoke last, other than me: the stage must not go empty whenever a sentence ends. */
export function useLastSpeaker(): string | undefined {
  const room = useRoomContext();
  const [speaker, setSpeaker] = useState<string>();
  useEffect(() => {
    const onSpeakers = (speakers: Participant[]) => {
      const loudest = speakers.find((one) => !one.isLocal);
      if (loudest) setSpeaker(loudest.identity);
    };
    room.on(RoomEvent.ActiveSpeakersChanged, onSpeakers);
    return () => {
      room.off(RoomEvent.ActiveSpeakersChanged, onSpeakers);
    };
  }, [room]);
  return speaker;
}
