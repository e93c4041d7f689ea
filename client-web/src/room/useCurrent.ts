import { useCallback, useSyncExternalStore } from 'react';

/** A room, or somebody in it. */
interface Source {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

type Plain = string | number | boolean | undefined;

/**
 * What is true of a room or of somebody in it now, and again after each of these events, which are the same at every call.
 *
 * The hooks of components-react for the same read when a component is drawn and listen a moment later, on a busy machine a
 * second. What changes in between they show when it changes once more: a call that is recorded looked as if it was not.
 */
export function useCurrent<S extends Source, T extends Plain>(
  source: S,
  events: readonly string[],
  read: (source: S) => T,
): T {
  const subscribe = useCallback(
    (changed: () => void) => {
      for (const event of events) source.on(event, changed);
      return () => {
        for (const event of events) source.off(event, changed);
      };
    },
    [source, events],
  );
  return useSyncExternalStore(subscribe, () => read(source));
}
