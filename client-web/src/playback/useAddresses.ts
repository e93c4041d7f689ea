import { useEffect, useState } from 'react';
import type { Addresses } from '../api/recordings';
import { loaded, openBook, renewed, stopped } from './addresses';

export interface Sources {
  /** `undefined` for a file that cannot be played. */
  addressOf: (file: string) => string | undefined;
  isBroken: (file: string) => boolean;
  onLoaded: (file: string) => void;
  onStopped: (file: string, undecodable: boolean) => void;
  /** Why there are no new addresses for what stopped. */
  problem: unknown;
  retry: () => void;
}

/** The addresses of a recording's files, new ones where some stop working. `ask` must be stable. */
export function useAddresses(first: Addresses, ask: () => Promise<Addresses>): Sources {
  const [book, setBook] = useState(() => openBook(first));
  const [problem, setProblem] = useState<unknown>();
  const waits = book.waiting.size > 0 && problem === undefined;
  useEffect(() => {
    if (!waits) return;
    let current = true;
    ask().then(
      (addresses) => {
        if (current) setBook((before) => renewed(before, addresses));
      },
      (error: unknown) => {
        if (current) setProblem(error ?? new Error('refused'));
      },
    );
    return () => {
      current = false;
    };
  }, [waits, ask]);
  return {
    addressOf: (file) => (book.broken.has(file) ? undefined : book.inUse.get(file)),
    isBroken: (file) => book.broken.has(file),
    onLoaded: (file) => {
      setBook((before) => loaded(before, file));
    },
    onStopped: (file, undecodable) => {
      setBook((before) => stopped(before, file, undecodable, Date.now()));
    },
    problem,
    retry: () => {
      setProblem(undefined);
    },
  };
}
