/** The end of the event log as it is followed: bounded, and without gaps or repeats. */
import type { LogEntry } from '../api/history';
import { NOTHING } from './measures';

export interface Tail {
  /** The last number that was read; `undefined` before the first question. */
  after: number | undefined;
  entries: readonly LogEntry[];
}

export const NO_TAIL: Tail = { after: undefined, entries: [] };

/** More lines than anybody reads while they move. */
const MOST = 300;

export function addEvents({ after, entries }: Tail, events: readonly LogEntry[]): Tail {
  const fresh = events.filter((event) => event.number > (after ?? 0));
  return {
    after: fresh.at(-1)?.number ?? after,
    entries: [...entries, ...fresh].slice(-MOST),
  };
}

/** Whom or what an event is about, as far as it says. */
export function eventInWords(event: unknown): string {
  const said = event as
    | {
        participant?: { identity?: string; name?: string };
        track?: { source?: string; type?: string };
        sluice?: Partial<Record<'name' | 'identity' | 'to' | 'outcome', string>> &
          Partial<Record<'locked' | 'lobby', boolean>>;
      }
    | undefined;
  const person = said?.participant ?? said?.sluice;
  const who = person?.name || person?.identity;
  const track = said?.track?.source ?? said?.track?.type;
  const { to, outcome } = said?.sluice ?? {};
  return (
    [who, to, outcome, wayIn(said?.sluice), track?.toLowerCase().replaceAll('_', ' ')]
      .filter(Boolean)
      .join(', ') || NOTHING
  );
}

/** How one gets into a room from now on, of an event that says so. */
function wayIn({ locked, lobby }: { locked?: boolean; lobby?: boolean } = {}): string | undefined {
  if (locked === undefined && lobby === undefined) return undefined;
  return (
    [locked === true && 'locked', lobby === true && 'lobby'].filter(Boolean).join(', ') || 'open'
  );
}
