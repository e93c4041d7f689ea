import { describe, expect, it } from 'vitest';
import { addNotice, addPresence, dismiss, expire, NO_TOASTS, toastText } from './toasts';

const texts = (state: typeof NO_TOASTS) => state.toasts.map(toastText);

describe('comings and goings', () => {
  it('one, two, many are one calm line', () => {
    let state = addPresence(NO_TOASTS, 'joined', 'Ada', 0);
    expect(texts(state)).toEqual(['Ada joined']);
    state = addPresence(state, 'joined', 'Grace', 500);
    expect(texts(state)).toEqual(['Ada and Grace joined']);
    state = addPresence(state, 'joined', 'Alan', 900);
    expect(texts(state)).toEqual(['Ada and 2 others joined']);
  });

  it('somebody who reloads twice is not "Ada and Ada"', () => {
    const state = addPresence(addPresence(NO_TOASTS, 'left', 'Ada', 0), 'left', 'Ada', 900);
    expect(texts(state)).toEqual(['Ada left']);
  });

  it('leaving is another line than joining', () => {
    let state = addPresence(NO_TOASTS, 'joined', 'Ada', 0);
    state = addPresence(state, 'left', 'Grace', 100);
    expect(texts(state)).toEqual(['Ada joined', 'Grace left']);
  });

  it('a line that was read is not brought back by the next arrival', () => {
    let state = addPresence(NO_TOASTS, 'joined', 'Ada', 0);
    state = expire(state, 5000);
    state = addPresence(state, 'joined', 'Grace', 5000);
    expect(texts(state)).toEqual(['Grace joined']);
  });
});

describe('notices', () => {
  it('the same notice twice is one notice, shown longer', () => {
    let state = addNotice(NO_TOASTS, 'Invite link copied', 0);
    state = addNotice(state, 'Invite link copied', 3000);
    expect(texts(state)).toEqual(['Invite link copied']);
    expect(texts(expire(state, 4500))).toEqual(['Invite link copied']);
    expect(texts(expire(state, 7500))).toEqual([]);
  });

  it('problems stay longer than news', () => {
    let state = addNotice(NO_TOASTS, 'news', 0);
    state = addNotice(state, 'problem', 0, 'problem');
    expect(texts(expire(state, 6000))).toEqual(['problem']);
  });

  it('never more than three at once, and any can be put away', () => {
    let state = NO_TOASTS;
    for (const text of ['a', 'b', 'c', 'd']) state = addNotice(state, text, 0);
    expect(texts(state)).toEqual(['b', 'c', 'd']);
    expect(texts(dismiss(state, state.toasts[1]?.id ?? 0))).toEqual(['b', 'd']);
  });

  it('an expiry that changes nothing keeps the value, so nothing renders', () => {
    const state = addNotice(NO_TOASTS, 'a', 0);
    expect(expire(state, 10)).toBe(state);
  });
});
