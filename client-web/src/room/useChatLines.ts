import { useChat } from '@livekit/components-react';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { decodeLegacy, mergeLines, readMessage, unreadCount, type ChatLine } from '../state/chat';
import type { Desk } from './useDesk';
import { displayName } from '../state/people';

export interface ChatState {
  lines: readonly ChatLine[];
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
  const kept = useKeptLines(desk, keeps, identity);
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
  return { lines, unread: open ? 0 : unreadCount(live, seen), send: sendText };
}

/** What was written before I came. Without an answer the chat is as in a room that keeps nothing. */
function useKeptLines(desk: Desk, keeps: boolean, identity: string): readonly ChatLine[] {
  const [kept, setKept] = useState<readonly ChatLine[]>([]);
  useEffect(() => {
    if (!keeps) return;
    let current = true;
    desk.chat().then(
      (messages) => {
        if (!current) return;
        setKept(
          messages.map((one) => ({
            id: one.id,
            from: one.identity,
            name: displayName(one.name, one.identity),
            local: one.identity === identity,
            text: one.message,
            at: one.timestamp,
            kept: true,
          })),
        );
      },
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [desk, keeps, identity]);
  return kept;
}
