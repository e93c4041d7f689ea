import { useEffect, useState } from 'react';
import type { Waiting } from '../api/hosts';
import type { Desk } from './useDesk';

/** After a question that failed: a host must not believe that nobody is there. */
const AGAIN_MS = 3000;

/** Who waits, asked again whenever the room says that something changed; empty for no host. */
export function useWaiting(desk: Desk, count: number, news: number): readonly Waiting[] {
  const [waiting, setWaiting] = useState<readonly Waiting[]>([]);
  const [failures, setFailures] = useState(0);
  useEffect(() => {
    if (count === 0) return;
    let current = true;
    let timer: number | undefined;
    desk.waiting().then(
      (list) => {
        if (current) setWaiting(list);
      },
      () => {
        if (!current) return;
        timer = window.setTimeout(() => {
          setFailures((before) => before + 1);
        }, AGAIN_MS);
      },
    );
    return () => {
      current = false;
      window.clearTimeout(timer);
    };
  }, [desk, count, news, failures]);
  return count === 0 ? NOBODY : waiting;
}

const NOBODY: readonly Waiting[] = [];
