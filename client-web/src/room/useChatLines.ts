import { useChat } from '@livekit/components-react';
import { useCallback, useMemo, useState } from 'react';
import { unreadCount, type ChatLine } from '../state/chat';
import { displayName } from '../state/people';

export interface ChatState {
  lines: readonly ChatLine[];
  unread: number;
  send: (text: string) => Promise<boolean>;
}

/** livekit's chat (text streams on topic `lk.chat`), and how much of it has been seen. */
export function useChatLines(open: boolean): ChatState {
  const { chatMessages, send } = useChat();
  const lines = useMemo(
    () =>
      chatMessages.map((message): ChatLine => {
        const identity = message.from?.identity ?? '';
        return {
          id: message.id,
          from: identity,
          name: displayName(message.from?.name, identity),
          local: message.from?.isLocal ?? false,
          text: message.message,
          at: message.timestamp,
        };
      }),
    [chatMessages],
  );
  const [seen, setSeen] = useState(0);
  // Adjusted while rendering: an effect would flash the badge for one frame.
  if (open && seen !== lines.length) setSeen(lines.length);

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
  return { lines, unread: open ? 0 : unreadCount(lines, seen), send: sendText };
}
