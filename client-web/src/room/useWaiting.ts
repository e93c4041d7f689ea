import { useEffect, useState } from 'react';
import type { Waiting } from '../api/hosts';
import type { Desk } from './useDesk';

/** Who waits, asked again whenever the room says that something changed; empty for no host. */
export function useWaiting(desk: Desk, count: number, news: number): readonly Waiting[] {
  const [waiting, setWaiting] = useState<readonly Waiting[]>([]);
  useEffect(() => {
    if (count === 0) return;
    let current = true;
    desk.waiting().then(
      (list) => {
        if (current) setWaiting(list);
      },
      // The next change asks again.
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [desk, count, news]);
  return count === 0 ? NOBODY : waiting;
}

const NOBODY: readonly Waiting[] = [];
