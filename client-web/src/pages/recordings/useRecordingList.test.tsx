import { act, renderHook } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { recordingOf } from '../../test/recording';
import { respond } from '../../test/respond';
import { useRecordingList } from './useRecordingList';

const going = recordingOf({ id: 'EG_3', state: 'active', started_at: 3000 });
const two = recordingOf({ id: 'EG_2', started_at: 2000 });
const one = recordingOf({ id: 'EG_1', started_at: 1000 });
const answer = (recordings: (typeof one)[], next: string | null) => ({
  status: 200,
  body: { recordings, next },
});

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('forgets what somebody else deleted, and keeps the older ones that were asked for', async () => {
  const newest = 'GET /api/recordings?limit=25';
  respond({
    [newest]: answer([going, two], 'EG_2'),
    [`${newest}&before=EG_2`]: answer([one], null),
  });
  const { result } = renderHook(() => useRecordingList(''));
  const known = () => result.current.known.map(({ id }) => id);
  await act(() => vi.advanceTimersByTimeAsync(0));
  await act(() => result.current.showOlder());
  expect(known()).toEqual(['EG_3', 'EG_2', 'EG_1']);
  // Of what is older than its last one the page says nothing.
  const other = { ...two, id: 'EG_0', started_at: 1500 };
  respond({ [newest]: answer([going, other], 'EG_0') });
  await act(() => vi.advanceTimersByTimeAsync(3000));
  expect(known()).toEqual(['EG_3', 'EG_0', 'EG_1']);
  // One that has no next is all there is.
  respond({ [newest]: answer([going], null) });
  await act(() => vi.advanceTimersByTimeAsync(3000));
  expect(known()).toEqual(['EG_3']);
});
