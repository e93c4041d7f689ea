import { describe, expect, it } from 'vitest';
import { generateKey, inviteLink, keyFromHash, parseJoinInput, roomPath } from './joinLink';

const ORIGIN = 'https://calls.example.org';
const parse = (text: string) => parseJoinInput(text, ORIGIN);

describe('what people paste to join', () => {
  it.each([
    ['the bare id', 'k3m9x2qa'],
    ['an id from a phone that capitalises', ' K3m9x2qa '],
    ['an id read out in two groups', 'k3m9 x2qa'],
    ['an id with a dash', 'k3m9-x2qa'],
    ['the whole link', 'https://calls.example.org/r/k3m9x2qa'],
    ['a link without its scheme', 'calls.example.org/r/k3m9x2qa'],
    ['a link with options and a slash', 'https://calls.example.org/r/k3m9x2qa/?name=Ada'],
    ['a path', '/r/k3m9x2qa'],
  ])('understands %s', (_, text) => {
    expect(parse(text)).toEqual({ ok: true, id: 'k3m9x2qa', key: undefined });
  });

  it('keeps the encryption key of a link', () => {
    expect(parse('https://calls.example.org/r/k3m9x2qa#e2ee=s3cr%2Bt')).toEqual({
      ok: true,
      id: 'k3m9x2qa',
      key: 's3cr+t',
    });
  });

  it.each([
    ['nothing', '   ', 'empty'],
    ['an id that lost a letter', 'k3m9x2q', 'not_a_room'],
    ['a sentence', 'see you at nine', 'not_a_room'],
    ['another page of this server', 'https://calls.example.org/about', 'not_a_room'],
    ['a room of another server', 'https://elsewhere.example/r/k3m9x2qa', 'other_server'],
    ['a script', 'javascript:alert(1)', 'not_a_room'],
  ])('refuses %s', (_, text, reason) => {
    expect(parse(text)).toEqual({ ok: false, reason });
  });
});

describe('the key in the fragment', () => {
  it('has two spellings', () => {
    expect(keyFromHash('#e2ee=abc')).toBe('abc');
    expect(keyFromHash('#key=abc')).toBe('abc');
  });

  it('is absent when empty: an empty key would look encrypted and not be', () => {
    expect(keyFromHash('#e2ee=')).toBeUndefined();
    expect(keyFromHash('')).toBeUndefined();
    expect(keyFromHash('#top')).toBeUndefined();
  });

  it('survives the way into a link and back', () => {
    const key = generateKey();
    const parsed = parse(inviteLink(ORIGIN, 'k3m9x2qa', key));
    expect(parsed).toEqual({ ok: true, id: 'k3m9x2qa', key });
  });

  it('has 256 bits and needs no escaping', () => {
    expect(generateKey((bytes) => bytes.fill(0xff))).toBe('_'.repeat(42) + '8');
    expect(generateKey()).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(generateKey()).not.toBe(generateKey());
  });

  it('is not in a link without encryption', () => {
    expect(roomPath('k3m9x2qa')).toBe('/r/k3m9x2qa');
  });
});
