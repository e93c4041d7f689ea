import { describe, expect, it } from 'vitest';
import { ApiError, UnreachableError } from '../api/errors';
import { recordingOf } from '../test/recording';
import { fileNames, keptUntil, lengthOf, nextLook, nextLookAtAll, stateName } from './recordings';

const composing = recordingOf({
  composite: { state: 'running', progress: 0.5, file: null, reason: null },
});

describe('a recording in words', () => {
  it('says how long it is, or has been going on', () => {
    expect(lengthOf(recordingOf())).toBe('1 min');
    const going = recordingOf({ state: 'active', started_at: 0, duration_ms: 0 });
    expect(lengthOf(going, 93_000)).toBe('1 min 33 s until now');
  });

  it('says how long it stays', () => {
    expect(keptUntil(recordingOf())).toBeUndefined();
    expect(keptUntil(recordingOf({ is_held: true, expires_at: 1 }))).toMatch(/released/);
    expect(keptUntil(recordingOf({ expires_at: 1 }))).toMatch(/1970/);
  });

  it('passes on a state it does not know', () => {
    expect(stateName('limit_reached')).toBe('Ended at a limit');
    expect(stateName('resting' as 'active')).toBe('resting');
  });

  it('has its video among its files, once', () => {
    const whole = (file: string) =>
      recordingOf({ composite: { state: 'done', progress: 1, file, reason: null } });
    expect(fileNames(whole('all.mp4'))).toEqual(['ada.webm', 'ben.webm', 'all.mp4']);
    expect(fileNames(whole('ben.webm'))).toEqual(['ada.webm', 'ben.webm']);
  });
});

it('is looked at again as long as something happens by itself', () => {
  expect(nextLook(undefined)).toBe(1000);
  expect(nextLook(undefined, new UnreachableError('no'))).toBe(1000);
  // Deleted, maybe by somebody else while it was looked at.
  const gone = new ApiError(404, 'recording_not_found', 'no');
  expect(nextLook(undefined, gone)).toBeUndefined();
  expect(nextLook(composing, gone)).toBeUndefined();
  for (const state of ['starting', 'active', 'ending'] as const) {
    expect(nextLook(recordingOf({ state }))).toBe(1000);
  }
  expect(nextLook(composing)).toBe(1000);
  expect(nextLook(recordingOf())).toBeUndefined();
  expect(nextLook(recordingOf({ state: 'failed' }))).toBeUndefined();
  expect(nextLookAtAll([recordingOf(), composing])).toBe(3000);
  expect(nextLookAtAll([recordingOf()])).toBeUndefined();
  expect(nextLookAtAll([])).toBeUndefined();
});
