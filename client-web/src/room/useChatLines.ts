import { useChat, useRoomContext } from '@livekit/components-react';
import { RoomEvent } from 'livekit-client';
import { useCallback, useEffect, useMemo, useState } from 'react';
import {
  decodeLegacy,
  mergeLines,
  readAgain,
  readMessage,
  unreadCount,
  type ChatLine,
} from '../state/chat';
import type { Desk } from './useDesk';
import { displayName } from '../state/people';

export interface ChatState {
  lines: readonly ChatLine[];
  /** What the room keeps could not be read: there may be more than the lines. */
  missing: boolean;
  unread: number;
  send: (text: string) => Promise<boolean>;
}

interface ChatOptions {
  open: boolean;
  desk: Desk;
  /** The room keeps what is written, so what was written before can be read. */
  keeps: boolean;
  deleted: ReadonlySet<string>;
  /** Who I am: what I wrote before a reload is mine. */
  identity: string;
}

/** The library's own decoder throws, which ends the chat for the rest of the call. */
const CHAT = {
  messageDecoder: (payload: Uint8Array) => ({
    ...decodeLegacy(payload),
    type: 'chatMessage' as const,
  }),
};

/** livekit's chat (text streams on topic `lk.chat`), what was kept of it, and how much has been seen. */
export function useChatLines({ open, desk, keeps, deleted, identity }: ChatOptions): ChatState {
  const { chatMessages, send } = useChat(CHAT);
  const { lines: kept = NOTHING, missing } = useKeptLines(desk, keeps, identity);
  const live = useMemo(
    () =>
      chatMessages.flatMap((message): ChatLine[] => {
        const read = readMessage(message, Date.now);
        if (read === undefined) return [];
        const identity = message.from?.identity ?? '';
        return [
          {
            ...read,
            from: identity,
            name: displayName(message.from?.name, identity),
            local: message.from?.isLocal ?? false,
          },
        ];
      }),
    [chatMessages],
  );
  const lines = useMemo(() => mergeLines(kept, live, deleted), [kept, live, deleted]);
  const [seen, setSeen] = useState(0);
  // Adjusted while rendering: an effect would flash the badge for one frame.
  if (open && seen !== live.length) setSeen(live.length);

  const sendText = useCallback(
    async (text: string) => {
      try {
        await send(text);
        return true;
      } catch {
        return false;
      }
    },
    [send],
  );
  return { lines, missing, unread: open ? 0 : unreadCount(live, seen), send: sendText };
}

interface Kept {
  /** `undefined` until there was an answer. */
  lines: readonly ChatLine[] | undefined;
  missing: boolean;
}

/** What the room keeps: read when I came, and again when I was away and came back. */
function useKeptLines(desk: Desk, keeps: boolean, identity: string): Kept {
  const room = useRoomContext();
  const [kept, setKept] = useState<Kept>({ lines: undefined, missing: false });
  const [returns, setReturns] = useState(0);
  useEffect(() => {
    const onReturn = () => {
      setReturns((before) => before + 1);
    };
    room.on(RoomEvent.Reconnected, onReturn);
    return () => {
      room.off(RoomEvent.Reconnected, onReturn);
    };
  }, [room]);
  useEffect(() => {
    if (!keeps) return;
    let current = true;
    desk.chat().then(
      (messages) => {
        if (!current) return;
        const lines = messages.flatMap((one): ChatLine[] => {
          // Believed no more than what comes live.
          const read = readMessage(one, Date.now);
          if (read === undefined) return [];
          const name = displayName(one.name, one.identity);
          return [{ ...read, from: one.identity, name, local: one.identity === identity }];
        });
        setKept((before) => ({ lines: readAgain(before.lines, lines), missing: false }));
      },
      () => {
        if (current) setKept((before) => ({ ...before, missing: true }));
      },
    );
    return () => {
      current = false;
    };
  }, [desk, keeps, identity, returns]);
  return kept;
}

const NOTHING: readonly ChatLine[] = [];
