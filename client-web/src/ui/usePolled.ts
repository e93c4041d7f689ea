import { useEffect, useState } from 'react';
import { isDenied } from '../api/errors';

export type Polled<T> =
  | { status: 'waiting' }
  /** With a `problem`, the value is of before: the last question failed, the next one is on its way. */
  | { status: 'ready'; value: T; problem?: unknown }
  | { status: 'failed'; error: unknown };

/** How long until the next question, in milliseconds; `last` is the last answer, `problem` why there is no newer one. */
export type Pace<T> = (last: T | undefined, problem?: unknown) => number | undefined;

/**
 * Asks again and again while somebody looks: `every` milliseconds after each answer, so that a slow server
 * is not asked faster than it answers. Who may not know is not told more by asking again. Where `every` depends on
 * what was answered last, `undefined` is enough of it. Both must be stable.
 */
export function usePolled<T>(ask: () => Promise<T>, every: number | Pace<T>): Polled<T> {
  const [polled, setPolled] = useState<Polled<T>>({ status: 'waiting' });
  useEffect(() => {
    let state: 'idle' | 'asking' | 'over' = 'idle';
    let timer: number | undefined;
    let last: T | undefined;
    let problem: unknown;
    const isOver = () => state === 'over';
    const poll = async () => {
      // A hidden page asks when it is looked at again.
      if (state !== 'idle' || document.visibilityState === 'hidden') return;
      window.clearTimeout(timer);
      state = 'asking';
      try {
        const value = await ask();
        if (isOver()) return;
        last = value;
        problem = undefined;
        setPolled({ status: 'ready', value });
      } catch (error) {
        if (isOver()) return;
        problem = error;
        if (isDenied(error)) {
          state = 'over';
          setPolled({ status: 'failed', error });
          return;
        }
        setPolled((before) =>
          before.status === 'ready' ? { ...before, problem: error } : { status: 'failed', error },
        );
      }
      state = 'idle';
      const pause = typeof every === 'number' ? every : every(last, problem);
      if (pause !== undefined) timer = window.setTimeout(look, pause);
    };
    const look = () => void poll();
    document.addEventListener('visibilitychange', look);
    look();
    return () => {
      state = 'over';
      window.clearTimeout(timer);
      document.removeEventListener('visibilitychange', look);
    };
  }, [ask, every]);
  return polled;
}
