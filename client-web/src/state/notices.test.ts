import { describe, expect, it } from 'vitest';
import {
  handOf,
  handOrder,
  moderates,
  NO_CONTROL,
  parseNotice,
  reduceControl,
  roleNews,
  type Notice,
} from './notices';

const packet = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const after = (...notices: Notice[]) => notices.reduce(reduceControl, NO_CONTROL);

describe('what a room says', () => {
  it.each([
    { type: 'lobby', waiting: 2 },
    { type: 'unmute_request', source: 'microphone', by: 'ada' },
    { type: 'entry', locked: true, lobby: false },
    { type: 'session', state: 'Connected' },
    { type: 'chat_deleted', id: 'm-1' },
  ] as const)('$type', (notice) => {
    expect(parseNotice(packet(notice))).toEqual(notice);
  });

  it.each([
    packet({ type: 'from the future' }),
    packet({ type: 'lobby', waiting: 'many' }),
    packet({ type: 'unmute_request', source: 'mind', by: 'ada' }),
    packet(null),
    packet('lobby'),
    new Uint8Array([0xff, 0xfe]),
    new Uint8Array(),
  ])('nothing that this page does not understand (%#)', (payload) => {
    expect(parseNotice(payload)).toBeUndefined();
  });

  it('adds up', () => {
    const control = after(
      { type: 'lobby', waiting: 2 },
      { type: 'entry', locked: true, lobby: true },
      { type: 'lobby', waiting: 1 },
      { type: 'chat_deleted', id: 'a' },
      { type: 'chat_deleted', id: 'b' },
    );
    expect(control).toMatchObject({ waiting: 1, entry: { locked: true, lobby: true } });
    expect([...control.deleted]).toEqual(['a', 'b']);
  });
});

it('a request to unmute stays what it was until it is settled', () => {
  const asked = after(
    { type: 'unmute_request', source: 'microphone', by: 'ada' },
    { type: 'unmute_request', source: 'camera', by: 'ben' },
  );
  expect(asked.request).toEqual({ source: 'microphone', by: 'ada' });
  const settled = { ...asked, request: undefined };
  const next = { type: 'unmute_request', source: 'camera', by: 'ben' } as const;
  expect(reduceControl(settled, next).request).toEqual({ source: 'camera', by: 'ben' });
});

describe('who moderates', () => {
  const told = after({ type: 'lobby', waiting: 0 });

  it.each([
    ['host', NO_CONTROL, true],
    ['admin', NO_CONTROL, true],
    ['participant', NO_CONTROL, false],
    // A host who is one no more, with what it was told before.
    ['participant', told, false],
    ['therapist', told, true],
    ['patient', NO_CONTROL, false],
    ['', told, true],
  ] as const)('%s', (role, control, may) => {
    expect(moderates(role, control)).toBe(may);
  });
});

it.each([
  ['participant', 'host', 'You are a host now'],
  ['host', 'participant', 'You are not a host any more'],
  // The server says who one is when one comes.
  ['', 'participant', undefined],
  ['participant', 'therapist', undefined],
  ['host', 'host', undefined],
])('from "%s" to "%s" one hears: %s', (before, now, news) => {
  expect(roleNews(before, now)).toBe(news);
});

describe('raised hands', () => {
  it('are told by an attribute that is a time', () => {
    expect(handOf({ 'sluice.hand': '1700000000000' })).toBe(1_700_000_000_000);
    expect(handOf({ 'sluice.hand': '' })).toBeUndefined();
    expect(handOf({ 'sluice.hand': 'up' })).toBeUndefined();
    expect(handOf({})).toBeUndefined();
  });

  it('have turns in the order they went up', () => {
    const order = handOrder([
      { identity: 'ben', hand: 20 },
      { identity: 'cy', hand: undefined },
      { identity: 'ada', hand: 10 },
      { identity: 'abe', hand: 20 },
    ]);
    expect([...order]).toEqual([
      ['ada', 1],
      ['abe', 2],
      ['ben', 3],
    ]);
  });
});
