/** Chat as it is shown: runs of one person's messages, and text with its links found. */

export interface ChatLine {
  id: string;
  from: string;
  name: string;
  local: boolean;
  text: string;
  at: number;
  /** Written before one came, and kept by the room. */
  kept?: boolean;
}

export interface ChatGroup {
  key: string;
  from: string;
  name: string;
  local: boolean;
  at: number;
  kept: boolean;
  lines: ChatLine[];
}

const SAME_BREATH_MS = 3 * 60_000;

export function groupLines(lines: readonly ChatLine[]): ChatGroup[] {
  const groups: ChatGroup[] = [];
  for (const line of lines) {
    const last = groups.at(-1);
    const previous = last?.lines.at(-1);
    const { from, name, local, at, kept = false } = line;
    const continues =
      last?.from === from && last.kept === kept && previous && at - previous.at < SAME_BREATH_MS;
    if (continues) last.lines.push(line);
    else groups.push({ key: line.id, from, name, local, at, kept, lines: [line] });
  }
  return groups;
}

/**
 * What was kept, then what one heard oneself, without what a host took away. What is in both is shown once,
 * where the room has it, and is not of before one came: one heard it.
 */
export function mergeLines(
  kept: readonly ChatLine[],
  live: readonly ChatLine[],
  deleted: ReadonlySet<string>,
): ChatLine[] {
  const known = new Set(kept.map(({ id }) => id));
  const heard = new Set(live.map(({ id }) => id));
  return [
    ...kept.map((line) => (heard.has(line.id) ? { ...line, kept: false } : line)),
    ...live.filter(({ id }) => !known.has(id)),
  ].filter(({ id }) => !deleted.has(id));
}

/** Read again after one was away, what is new was written meanwhile, and not before one came. */
export function readAgain(
  before: readonly ChatLine[] | undefined,
  now: readonly ChatLine[],
): ChatLine[] {
  const first = before && new Set(before.filter(({ kept }) => kept).map(({ id }) => id));
  return now.map((line) => ({ ...line, kept: first?.has(line.id) ?? true }));
}

/** As far from 1970 as a `Date` reaches, in milliseconds: further away there is no day to show. */
const FURTHEST_MS = 8.64e15;

/** When messages came whose senders name a time that is none; the same at each look. */
const came = new WeakMap<object, number>();

/**
 * What a sender says of a message, as far as it can be shown: times, and in the old protocol everything
 * else, are as the sender wrote them. `undefined` for what is no message.
 */
export function readMessage(
  said: object,
  now: () => number,
): Pick<ChatLine, 'id' | 'text' | 'at'> | undefined {
  const { id, message, timestamp } = said as Record<string, unknown>;
  if (typeof id !== 'string' || typeof message !== 'string') return undefined;
  if (typeof timestamp === 'number' && Math.abs(timestamp) <= FURTHEST_MS) {
    return { id, text: message, at: timestamp };
  }
  const at = came.get(said) ?? now();
  came.set(said, at);
  return { id, text: message, at };
}

/** A message of the old chat protocol; `ignoreLegacy` keeps it out of the chat. */
export interface LegacyMessage {
  id: string;
  message: string;
  timestamp: number;
  ignoreLegacy?: boolean;
}

/** Anybody in the room may send any bytes: what is no message is ignored, and never an exception. */
export function decodeLegacy(payload: Uint8Array): LegacyMessage {
  try {
    const said = JSON.parse(new TextDecoder().decode(payload)) as Partial<LegacyMessage> | null;
    if (typeof said?.id === 'string' && typeof said.message === 'string') {
      const { id, message, timestamp = NaN, ignoreLegacy = false } = said;
      return { id, message, timestamp, ignoreLegacy };
    }
  } catch {
    // No JSON.
  }
  return { id: '', message: '', timestamp: 0, ignoreLegacy: true };
}

export type TextPart =
  { type: 'text'; text: string } | { type: 'link'; text: string; href: string };

/** Only http and https become links: a `javascript:` link in a chat is an attack. */
export function linkify(text: string): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  for (const match of text.matchAll(/https?:\/\/[^\s<>"']+/gi)) {
    // A full stop or bracket after a link belongs to the sentence.
    const url = match[0].replace(/[.,;:!?)\]}]+$/, '');
    if (!URL.canParse(url)) continue;
    if (match.index > end) parts.push({ type: 'text', text: text.slice(end, match.index) });
    parts.push({ type: 'link', text: url, href: url });
    end = match.index + url.length;
  }
  if (end < text.length) parts.push({ type: 'text', text: text.slice(end) });
  return parts;
}

/** Messages of others that arrived since the panel was last seen open. */
export function unreadCount(lines: readonly ChatLine[], seen: number): number {
  return lines.slice(seen).filter((line) => !line.local).length;
}
