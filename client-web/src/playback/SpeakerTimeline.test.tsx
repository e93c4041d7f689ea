import { render, screen } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { formatElapsed } from '../state/elapsed';
import type { Recording } from './manifest';
import { SpeakerTimeline } from './SpeakerTimeline';
import type { Playback } from './usePlayback';

vi.mock('../state/elapsed', { spy: true });

const speaks = (identity: string, ...from: number[]) =>
  from.map((s) => ({ identity, fromMs: s * 1000, toMs: s * 1000 + 1000 }));

const recording: Recording = {
  room: 'Weekly',
  startedAt: 0,
  durationMs: 60_000,
  people: [
    { identity: 'ada', name: 'Ada' },
    { identity: 'ben', name: 'Ben' },
  ],
  tracks: [],
  speech: [...speaks('ada', 1, 11, 21), ...speaks('ben', 5, 15)],
  chat: [],
};

const seekTo = vi.fn();
const at = (atMs: number) => (
  <SpeakerTimeline recording={recording} playback={{ atMs, seekTo } as unknown as Playback} />
);
const focused = () => document.activeElement?.getAttribute('aria-label');

it('each lane is one stop of the tab key, and arrows go along it', async () => {
  const onPage = vi.fn<(event: KeyboardEvent) => void>();
  document.addEventListener('keydown', onPage);
  render(at(0));
  await userEvent.tab();
  expect(focused()).toBe('Ada at 0:01');
  await userEvent.keyboard('{ArrowRight}{ArrowRight}{ArrowRight}');
  expect(focused()).toBe('Ada at 0:21');
  // The player takes no key that was taken.
  expect(onPage.mock.calls.slice(-3).map(([event]) => event.defaultPrevented)).toEqual(
    Array(3).fill(true),
  );
  document.removeEventListener('keydown', onPage);
  await userEvent.tab();
  expect(focused()).toBe('Ben at 0:05');
  await userEvent.keyboard('{End}{Enter}');
  expect(seekTo).toHaveBeenLastCalledWith(15_000);
  // It is where one left it.
  await userEvent.tab({ shift: true });
  expect(focused()).toBe('Ada at 0:21');
  await userEvent.keyboard('{ArrowLeft}');
  expect(focused()).toBe('Ada at 0:11');
});

it('moves its hand, and draws no lane anew', () => {
  const { rerender } = render(at(0));
  vi.mocked(formatElapsed).mockClear();
  rerender(at(30_000));
  expect(screen.getByRole('list').style.getPropertyValue('--at')).toBe('0.5');
  expect(formatElapsed).not.toHaveBeenCalled();
});
