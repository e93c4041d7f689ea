import { useCallback, useEffect, useState } from 'react';
import type { Polled } from './usePolled';

/** Asks once, and again when told to. `ask` must be stable. */
export function useLoad<T>(ask: () => Promise<T>): [Polled<T>, () => void] {
  const [loaded, setLoaded] = useState<Polled<T>>({ status: 'waiting' });
  const [round, setRound] = useState(0);
  useEffect(() => {
    let current = true;
    ask().then(
      (value) => {
        if (current) setLoaded({ status: 'ready', value });
      },
      (error: unknown) => {
        if (current) setLoaded({ status: 'failed', error });
      },
    );
    return () => {
      current = false;
    };
  }, [ask, round]);
  const again = useCallback(() => {
    setRound((before) => before + 1);
  }, []);
  return [loaded, again];
}
