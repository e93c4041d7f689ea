import { describe, expect, it } from 'vitest';
import {
  decodeLegacy,
  groupLines,
  linkify,
  mergeLines,
  readAgain,
  readMessage,
  unreadCount,
  type ChatLine,
} from './chat';

function line(from: string, text: string, at: number): ChatLine {
  return { id: `${from}${String(at)}`, from, name: from, local: from === 'me', text, at };
}

describe('runs of messages', () => {
  it('one person in one breath is one group; a pause or another voice starts the next', () => {
    const groups = groupLines([
      line('ada', 'a', 0),
      line('ada', 'b', 60_000),
      line('me', 'c', 61_000),
      line('ada', 'd', 62_000),
      line('ada', 'e', 62_000 + 4 * 60_000),
    ]);
    expect(groups.map((group) => group.lines.map((one) => one.text).join(''))).toEqual([
      'ab',
      'c',
      'd',
      'e',
    ]);
  });
});

describe('links in messages', () => {
  it('are found, without the full stop of the sentence', () => {
    expect(linkify('See https://example.org/a?b=1. Thanks!')).toEqual([
      { type: 'text', text: 'See ' },
      { type: 'link', text: 'https://example.org/a?b=1', href: 'https://example.org/a?b=1' },
      { type: 'text', text: '. Thanks!' },
    ]);
  });

  it('are only ever http or https', () => {
    expect(linkify('javascript:alert(1) data:text/html,x file:///etc')).toEqual([
      { type: 'text', text: 'javascript:alert(1) data:text/html,x file:///etc' },
    ]);
  });

  it('lose nothing of the text around them', () => {
    const text = '(https://a.example) and https://b.example, ok';
    expect(
      linkify(text)
        .map((part) => part.text)
        .join(''),
    ).toBe(text);
  });
});

it('unread counts what others said since I looked', () => {
  const lines = [
    line('ada', 'a', 0),
    line('me', 'b', 1),
    line('ada', 'c', 2),
    line('grace', 'd', 3),
  ];
  expect(unreadCount(lines, 0)).toBe(3);
  expect(unreadCount(lines, 2)).toBe(2);
  expect(unreadCount(lines, 4)).toBe(0);
});

describe('a room that keeps its chat', () => {
  const said = (id: string, at: number, rest: Partial<ChatLine> = {}): ChatLine => ({
    id,
    from: 'ada',
    name: 'Ada',
    local: false,
    text: id,
    at,
    ...rest,
  });
  const kept = [said('a', 0, { kept: true }), said('b', 1, { kept: true })];

  it('shows what was written before, once, and then what follows', () => {
    const lines = mergeLines(kept, [said('b', 1), said('c', 2)], new Set());
    expect(lines.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    // One heard the second oneself: it was written since one came.
    expect(groupLines(lines).map(({ kept, lines: { length } }) => [kept, length])).toEqual([
      [true, 1],
      [false, 2],
    ]);
  });

  it('read again after one was away, what is new is not of before', () => {
    const first = readAgain(undefined, [said('a', 0)]);
    expect(first).toEqual([said('a', 0, { kept: true })]);
    const later = readAgain(first, [said('a', 0), said('missed', 1)]);
    expect(later.map((one) => one.kept)).toEqual([true, false]);
    const third = readAgain(later, [said('a', 0), said('missed', 1), said('b', 2)]);
    expect(third.map((one) => one.kept)).toEqual([true, false, false]);
  });

  it('and not what a host took away', () => {
    const lines = mergeLines(kept, [said('c', 2)], new Set(['a', 'c']));
    expect(lines.map(({ id }) => id)).toEqual(['b']);
  });
});

describe('what senders say of their messages', () => {
  const now = () => 5;

  it('a time that no calendar has is that of the arrival, the same at each look', () => {
    const said = { id: '1', message: 'Hi', timestamp: 9e18 };
    expect(readMessage(said, now)).toEqual({ id: '1', text: 'Hi', at: 5 });
    expect(readMessage(said, () => 6)?.at).toBe(5);
    expect(readMessage({ ...said, timestamp: 8.64e15 }, now)?.at).toBe(8.64e15);
    expect(readMessage({ ...said, timestamp: NaN }, now)?.at).toBe(5);
    expect(readMessage({ ...said, timestamp: 'noon' }, now)?.at).toBe(5);
  });

  it('what is no text is no message', () => {
    expect(readMessage({ id: '1', message: {}, timestamp: 0 }, now)).toBeUndefined();
    expect(readMessage({ message: 'Hi', timestamp: 0 }, now)).toBeUndefined();
  });

  it.each(['', 'no JSON', 'null', '7', '{"message":{}}', '{"id":1,"message":"x"}'])(
    'bytes of the old protocol never throw: %s',
    (text) => {
      expect(decodeLegacy(new TextEncoder().encode(text)).ignoreLegacy).toBe(true);
    },
  );

  it('a message of the old protocol is read', () => {
    const said = { id: 'a', message: 'Hi', timestamp: 7 };
    const read = decodeLegacy(new TextEncoder().encode(JSON.stringify(said)));
    expect(read).toEqual({ ...said, ignoreLegacy: false });
  });
});
