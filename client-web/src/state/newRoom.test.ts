import { expect, it } from 'vitest';
import { NO_WISHES, possible, toNewRoom, wishesInWords } from './newRoom';

it('a plain room asks for nothing', () => {
  expect(toNewRoom('', NO_WISHES)).toEqual({ name: '' });
  expect(wishesInWords(NO_WISHES)).toBe('');
});

it('says what was chosen, to the server and in the folded form', () => {
  const wishes = { ...NO_WISHES, password: 'x', lobby: true, membersOnly: true, lasting: true };
  expect(toNewRoom('Weekly', wishes)).toEqual({
    name: 'Weekly',
    password: 'x',
    lobby: true,
    guests: false,
    lasting: true,
  });
  expect(wishesInWords(wishes)).toBe('password, lobby, accounts only, room kept');
});

it.each([
  [{ recorded: true }, { auto: true, consent: false }, 'recorded'],
  [{ asksConsent: true }, { auto: false, consent: true }, 'consent asked'],
])('says how it is recorded: %j', (wish, recording, words) => {
  const wishes = { ...NO_WISHES, ...wish };
  expect(toNewRoom('', wishes)).toEqual({ name: '', recording });
  expect(wishesInWords(wishes)).toBe(words);
});

it('an encrypted room keeps nothing, whatever was chosen before', () => {
  const wishes = {
    ...NO_WISHES,
    keepsChat: true,
    lobby: true,
    recorded: true,
    asksConsent: true,
  };
  expect(possible(wishes, true)).toEqual({ ...NO_WISHES, lobby: true });
  expect(possible(wishes, false)).toEqual(wishes);
});
