import { expect, it } from 'vitest';
import { parseJoinOptions } from './joinOptions';

it('a plain link asks first, sends both devices, with simulcast', () => {
  expect(parseJoinOptions('')).toEqual({
    name: undefined,
    joinNow: false,
    codec: undefined,
    audio: true,
    video: true,
    simulcast: true,
  });
});

it('an embedder can decide everything in the link', () => {
  const search = '?name=Ada%20L&join=1&codec=VP9&audio=0&video=0&simulcast=0';
  expect(parseJoinOptions(search)).toEqual({
    name: 'Ada L',
    joinNow: true,
    codec: 'vp9',
    audio: false,
    video: false,
    simulcast: false,
  });
});

it('an unknown codec and an empty name are as if absent', () => {
  expect(parseJoinOptions('?codec=theora&name=%20')).toMatchObject({
    codec: undefined,
    name: undefined,
  });
});
