import { expect, it } from 'vitest';
import { displayName, hue, initials } from './people';

it.each([
  ['Ada Lovelace', 'AL'],
  ['ada', 'A'],
  ['Grace Brewster Murray Hopper', 'GH'],
  ['  björk   guðmundsdóttir ', 'BG'],
  ['王小明', '王'],
  ['👩‍🚀 Sally', '👩‍🚀S'],
  ['', ''],
])('the initials of "%s" are %s', (name, expected) => {
  expect(initials(name)).toBe(expected);
});

it('somebody without a name goes by their identity', () => {
  expect(displayName('Ada', 'ada-7f3k')).toBe('Ada');
  expect(displayName('  ', 'ada-7f3k')).toBe('ada-7f3k');
  expect(displayName(undefined, 'ada-7f3k')).toBe('ada-7f3k');
});

it('a colour stays with the person and differs between people', () => {
  expect(hue('ada-7f3k')).toBe(hue('ada-7f3k'));
  expect(hue('ada-7f3k')).not.toBe(hue('ada-7f3l'));
  expect(hue('ada-7f3k')).toBeLessThan(360);
});
