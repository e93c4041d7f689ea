import { describe, expect, it } from 'vitest';
import {
  addReaction,
  expireReactions,
  NO_REACTIONS,
  parseReaction,
  REACTIONS,
  reactionsInWords,
  type ReactionState,
} from './reactions';

const bytes = (text: string) => new TextEncoder().encode(text);
const from = (identity: string, emoji = '👍') => ({ emoji, from: identity, name: identity });

describe('reactions', () => {
  it('are one emoji, and no text of others over the call', () => {
    for (const { emoji } of REACTIONS) expect(parseReaction(bytes(emoji))).toBe(emoji);
    for (const text of ['', 'hello', '👍👍', '7', '👨‍👩‍👧‍👦👍']) {
      expect(parseReaction(bytes(text))).toBeUndefined();
    }
    expect(parseReaction(new Uint8Array(17).fill(0xf0))).toBeUndefined();
  });

  it('go by themselves', () => {
    const state = addReaction(NO_REACTIONS, from('ada'), 0);
    expect(expireReactions(state, 3499)).toBe(state);
    expect(expireReactions(state, 3500).shown).toEqual([]);
  });

  it('one who holds the button down does not fill the screen, nor do all together', () => {
    let state: ReactionState = NO_REACTIONS;
    for (let press = 0; press < 50; press++) state = addReaction(state, from('ada'), press);
    expect(state.shown).toHaveLength(4);
    for (let who = 0; who < 200; who++) state = addReaction(state, from(String(who)), 100);
    expect(state.shown).toHaveLength(24);
  });

  it('are said in one sentence', () => {
    let state = addReaction(NO_REACTIONS, from('Ada'), 0);
    expect(reactionsInWords(state.shown)).toBe('Ada reacted with thumbs up');
    state = addReaction(state, from('Ben', '🎉'), 1);
    expect(reactionsInWords(state.shown)).toBe('Ben and 1 other reacted with celebration');
    expect(reactionsInWords([])).toBe('');
  });
});
