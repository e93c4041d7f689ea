import { expect, it } from 'vitest';
import { addEvents, eventInWords, NO_TAIL } from './eventTail';

const entry = (number: number) => ({ number, kind: 'room_started', at: number });

it('grows without repeats, bounded', () => {
  let tail = addEvents(NO_TAIL, [entry(1), entry(2)]);
  tail = addEvents(tail, [entry(2), entry(3)]);
  expect(tail.entries.map(({ number }) => number)).toEqual([1, 2, 3]);
  expect(addEvents(tail, []).after).toBe(3);
  for (let number = 4; number <= 500; number++) tail = addEvents(tail, [entry(number)]);
  expect(tail.entries).toHaveLength(300);
  expect(tail.after).toBe(500);
});

it('says whom an event is about, as far as it says', () => {
  expect(eventInWords({ participant: { identity: 'a', name: 'Ada' } })).toBe('Ada');
  expect(eventInWords({ participant: { identity: 'a' }, track: { source: 'SCREEN_SHARE' } })).toBe(
    'a, screen share',
  );
  expect(eventInWords({ sluice: { from: 'Connecting', to: 'Connected' } })).toBe('Connected');
  expect(eventInWords({ sluice: { identity: 'ben', name: 'Ben', outcome: 'refused' } })).toBe(
    'Ben, refused',
  );
  expect(eventInWords({ sluice: { identity: 'ben', name: '', bytes: 9 } })).toBe('ben');
  expect(eventInWords({ sluice: { locked: true, lobby: true } })).toBe('locked, lobby');
  expect(eventInWords({ sluice: { locked: false, lobby: false } })).toBe('open');
  expect(eventInWords(undefined)).toBe('–');
  expect(eventInWords({ room: {} })).toBe('–');
});
