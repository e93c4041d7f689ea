import { useEffect, useState } from 'react';

export type Polled<T> =
  | { status: 'waiting' }
  | { status: 'ready'; value: T }
  /** The last question failed; the next one is on its way. */
  | { status: 'failed'; error: unknown };

/**
 * Asks again and again while the component is mounted: `every` milliseconds after each answer, so that a
 * slow server is not asked faster than it answers. `ask` must be stable.
 */
export function usePolled<T>(ask: () => Promise<T>, every: number): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>({ status: 'waiting' });
  useEffect(() => {
    let current = true;
    let timer: number | undefined;
    const poll = async () => {
      let next: Polled<T>;
      try {
        next = { status: 'ready', value: await ask() };
      } catch (error) {
        next = { status: 'failed', error };
      }
      if (!current) return;
      setPolled(next);
      timer = window.setTimeout(() => void poll(), every);
    };
    void poll();
    return () => {
      current = false;
      window.clearTimeout(timer);
    };
  }, [ask, every]);
  return polled;
}
