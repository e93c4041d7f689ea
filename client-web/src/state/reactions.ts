/** Reactions: an emoji that floats up over the call and is gone. Bounded in what one sees and hears. */

export const REACTION_TOPIC = 'sluice.reaction';

export const REACTIONS = [
  { emoji: '👍', label: 'Thumbs up' },
  { emoji: '👏', label: 'Applause' },
  { emoji: '❤️', label: 'Heart' },
  { emoji: '😂', label: 'Laughter' },
  { emoji: '😮', label: 'Surprise' },
  { emoji: '🎉', label: 'Celebration' },
] as const;

export interface Reaction {
  id: number;
  emoji: string;
  from: string;
  name: string;
  /** Where it rises, 0 (left) to 1 (right). */
  lane: number;
  until: number;
}

export interface ReactionState {
  nextId: number;
  shown: readonly Reaction[];
}

export const NO_REACTIONS: ReactionState = { nextId: 1, shown: [] };

export const REACTION_LIFETIME_MS = 3500;
/** More at once is a blur. */
const MOST = 24;
/** Somebody who holds the button down is seen, and does not fill the screen. */
const MOST_OF_ONE = 4;
const MOST_BYTES = 16;

/** What a packet says, if it is one emoji: text of others is not to be drawn over the call. */
export function parseReaction(payload: Uint8Array): string | undefined {
  if (payload.length === 0 || payload.length > MOST_BYTES) return undefined;
  const text = new TextDecoder().decode(payload);
  const [first, second] = new Intl.Segmenter().segment(text);
  if (first === undefined || second !== undefined) return undefined;
  return /\p{Extended_Pictographic}/u.test(text) ? text : undefined;
}

export function addReaction(
  state: ReactionState,
  { emoji, from, name }: { emoji: string; from: string; name: string },
  now: number,
): ReactionState {
  const shown = state.shown.filter((one) => one.until > now);
  if (shown.filter((one) => one.from === from).length >= MOST_OF_ONE) return state;
  const id = state.nextId;
  // The golden ratio spreads neighbours in time over the width.
  const lane = (id * 0.618) % 1;
  const reaction = { id, emoji, from, name, lane, until: now + REACTION_LIFETIME_MS };
  return { nextId: id + 1, shown: [...shown, reaction].slice(-MOST) };
}

export function expireReactions(state: ReactionState, now: number): ReactionState {
  const shown = state.shown.filter((one) => one.until > now);
  return shown.length === state.shown.length ? state : { ...state, shown };
}

/** One calm sentence for screen readers, however many there are. */
export function reactionsInWords(shown: readonly Reaction[]): string {
  const last = shown.at(-1);
  if (!last) return '';
  const label = REACTIONS.find(({ emoji }) => emoji === last.emoji)?.label.toLowerCase();
  const others = new Set(shown.map((one) => one.from)).size - 1;
  const who =
    others === 0
      ? last.name
      : `${last.name} and ${String(others)} ${others === 1 ? 'other' : 'others'}`;
  return `${who} reacted${label === undefined ? '' : ` with ${label}`}`;
}
