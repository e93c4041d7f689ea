/** Chat as it is shown: runs of one person's messages, and text with its links found. */

export interface ChatLine {
  id: string;
  from: string;
  name: string;
  local: boolean;
  text: string;
  at: number;
}

export interface ChatGroup {
  key: string;
  from: string;
  name: string;
  local: boolean;
  at: number;
  lines: ChatLine[];
}

const SAME_BREATH_MS = 3 * 60_000;

export function groupLines(lines: readonly ChatLine[]): ChatGroup[] {
  const groups: ChatGroup[] = [];
  for (const line of lines) {
    const last = groups.at(-1);
    const previous = last?.lines.at(-1);
    if (last && previous && last.from === line.from && line.at - previous.at < SAME_BREATH_MS) {
      last.lines.push(line);
    } else {
      const { from, name, local, at } = line;
      groups.push({ key: line.id, from, name, local, at, lines: [line] });
    }
  }
  return groups;
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
