import { useCallback, useMemo } from 'react';
import { roomDesk, type RoomDesk } from '../api/hosts';
import { inWords } from '../state/failure';
import type { ToastControl } from './useToasts';

/** What one asks of the room, and the one place where a refusal becomes a notice. */
export interface Desk extends RoomDesk {
  /** Waits for an answer; a refusal is told, and `done` if it went well. */
  act: (asked: Promise<unknown>, done?: string) => void;
}

export function useDesk(roomId: string, token: () => string, notify: ToastControl['notify']): Desk {
  const act = useCallback(
    (asked: Promise<unknown>, done?: string) => {
      asked.then(
        () => {
          if (done !== undefined) notify(done);
        },
        (error: unknown) => {
          notify(inWords(error), 'problem');
        },
      );
    },
    [notify],
  );
  return useMemo(() => ({ ...roomDesk(roomId, token), act }), [roomId, token, act]);
}
