import { useRoomContext } from '@livekit/components-react';
import { RoomEvent, type RemoteParticipant } from 'livekit-client';
import { useCallback, useEffect, useState } from 'react';
import { displayName } from '../state/people';
import {
  addReaction,
  expireReactions,
  NO_REACTIONS,
  parseReaction,
  REACTION_TOPIC,
  type Reaction,
} from '../state/reactions';

/** Reactions of the others and my own. They go from page to page; the server only carries them. */
export function useReactions(): { reactions: readonly Reaction[]; react: (emoji: string) => void } {
  const room = useRoomContext();
  const [state, setState] = useState(NO_REACTIONS);
  const show = useCallback((emoji: string, from: string, name: string) => {
    setState((old) => addReaction(old, { emoji, from, name }, Date.now()));
  }, []);

  useEffect(() => {
    const onData = (
      payload: Uint8Array,
      from?: RemoteParticipant,
      _kind?: unknown,
      topic?: string,
    ) => {
      if (topic !== REACTION_TOPIC || !from) return;
      const emoji = parseReaction(payload);
      if (emoji !== undefined) show(emoji, from.identity, displayName(from.name, from.identity));
    };
    room.on(RoomEvent.DataReceived, onData);
    return () => {
      room.off(RoomEvent.DataReceived, onData);
    };
  }, [room, show]);

  const some = state.shown.length > 0;
  useEffect(() => {
    if (!some) return;
    const timer = window.setInterval(() => {
      setState((old) => expireReactions(old, Date.now()));
    }, 500);
    return () => {
      window.clearInterval(timer);
    };
  }, [some]);

  const react = useCallback(
    (emoji: string) => {
      const me = room.localParticipant;
      show(emoji, me.identity, 'You');
      me.publishData(new TextEncoder().encode(emoji), {
        reliable: true,
        topic: REACTION_TOPIC,
        // A reaction nobody saw is no loss.
      }).catch(() => undefined);
    },
    [room, show],
  );
  return { reactions: state.shown, react };
}
