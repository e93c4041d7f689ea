import { act, fireEvent, render, screen, within } from '@testing-library/react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ApiError } from '../api/errors';
import { readManifest, type Recording } from './manifest';
import { PlaybackView } from './PlaybackView';
import { useAddresses } from './useAddresses';

const track = (file: string, participant: string, kind: string, source: string, from_s = 0) => ({
  participant,
  kind,
  source,
  file,
  offset_us: from_s * 1e6,
  duration_us: (60 - from_s) * 1e6,
});

const recording = readManifest({
  version: 1,
  room: { sid: 'RM_1', name: 'Weekly' },
  started_at: '2026-11-22T05:00:00Z',
  ended_at: '2026-11-22T05:01:00Z',
  participants: [
    { identity: 'ada', name: 'Ada' },
    { identity: 'ben', name: 'Ben' },
  ],
  tracks: [
    track('a', 'ada', 'video', 'CAMERA'),
    track('b', 'ben', 'video', 'CAMERA', 20),
    track('s', 'ben', 'audio', 'MICROPHONE', 20),
  ],
  speakers: [
    { participant: 'ada', from_us: 1_000_000, to_us: 9_000_000 },
    { participant: 'ben', from_us: 30_000_000, to_us: 40_000_000 },
  ],
  chat: [{ at_us: 25_000_000, participant: 'ben', text: 'Sorry, I am late' }],
}) as Recording;

const addresses = (from: string, untilMs = Date.now() + 1e9) => ({
  expires_at: untilMs,
  files: ['a', 'b', 's'].map((name) => ({ name, url: `/${from}/${name}` })),
});

function Shown({ ask = () => Promise.resolve(addresses('new')) }) {
  return <PlaybackView recording={recording} sources={useAddresses(addresses('old'), ask)} />;
}

/** Which elements play: jsdom has none that do. */
const plays = new Set<HTMLMediaElement>();
/** Which were told to begin with the address they have, or with none. */
const begun: HTMLMediaElement[] = [];

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(HTMLMediaElement.prototype, 'play').mockImplementation(function (
    this: HTMLMediaElement,
  ) {
    plays.add(this);
    return Promise.resolve();
  });
  vi.spyOn(HTMLMediaElement.prototype, 'pause').mockImplementation(function (
    this: HTMLMediaElement,
  ) {
    plays.delete(this);
  });
  vi.spyOn(HTMLMediaElement.prototype, 'paused', 'get').mockImplementation(function (
    this: HTMLMediaElement,
  ) {
    return !plays.has(this);
  });
  vi.spyOn(HTMLMediaElement.prototype, 'load').mockImplementation(function (
    this: HTMLMediaElement,
  ) {
    begun.push(this);
  });
});
afterEach(() => {
  plays.clear();
  begun.length = 0;
  vi.useRealTimers();
});

const pass = (ms: number) => {
  act(() => {
    vi.advanceTimersByTime(ms);
  });
};
const sources = () => [...plays].map((element) => element.getAttribute('src')?.slice(-1)).sort();
const large = () =>
  screen
    .getAllByTestId('playback-picture')
    .filter((one) => one.dataset.large === 'true')
    .map((one) => one.textContent);

it('plays each track in its time, and stands at the end', () => {
  render(<Shown />);
  fireEvent.click(screen.getByRole('button', { name: 'Play' }));
  expect(sources()).toEqual(['a']);
  pass(21_000);
  expect(sources()).toEqual(['a', 'b', 's']);
  expect(screen.getByText('0:21 / 1:00')).toBeVisible();
  pass(60_000);
  expect(sources()).toEqual([]);
  expect(screen.getByRole('button', { name: 'Play' })).toBeVisible();
  expect(screen.getByText('1:00 / 1:00')).toBeVisible();
});

it('a file that is not shown soon holds no connection', () => {
  render(<Shown />);
  const [, b] = document.querySelectorAll('video');
  const loads = () => [b?.getAttribute('src') ?? 'nothing', b?.preload];
  const go = (ms: string) =>
    fireEvent.change(screen.getByRole('slider', { name: 'Position' }), { target: { value: ms } });
  expect(loads()).toEqual(['nothing', 'metadata']);
  go('11000');
  expect(loads()).toEqual(['/old/b', 'metadata']);
  go('21000');
  expect(loads()).toEqual(['/old/b', 'auto']);
  begun.length = 0;
  go('9000');
  expect(loads()).toEqual(['nothing', 'metadata']);
  // The browser lets go of it, and not only the page.
  expect(begun).toContain(b);
});

it('shows who speaks large, and gives nothing of the chat away', () => {
  render(<Shown />);
  const position = screen.getByRole('slider', { name: 'Position' });
  expect(large()).toEqual(['Ada']);
  expect(screen.queryByText(/I am late/)).toBeNull();
  fireEvent.change(position, { target: { value: '35000' } });
  expect(large()).toEqual(['Ben']);
  expect(position).toHaveAttribute('aria-valuetext', '0:35 of 1:00');
  expect(screen.getByTestId('playback-line')).toHaveTextContent('0:25 Ben Sorry, I am late');
  fireEvent.click(within(screen.getByTestId('playback-line')).getByRole('button'));
  expect(screen.getByText('0:25 / 1:00')).toBeVisible();
});

it('goes to where somebody began to speak, and as fast as one likes', () => {
  render(<Shown />);
  fireEvent.click(screen.getByRole('button', { name: 'Ben at 0:30' }));
  fireEvent.change(screen.getByLabelText('Speed'), { target: { value: '2' } });
  fireEvent.click(screen.getByRole('button', { name: 'Play' }));
  pass(5000);
  expect(screen.getByText('0:40 / 1:00')).toBeVisible();
  fireEvent.click(screen.getByRole('button', { name: 'Pause' }));
  pass(5000);
  expect(screen.getByText('0:40 / 1:00')).toBeVisible();
  expect(sources()).toEqual([]);
});

it('keys play and lead, but not in a field', () => {
  render(<Shown />);
  const press = (key: string, target: Element = document.body) =>
    fireEvent.keyDown(target, { key });
  press('ArrowRight');
  press('l');
  expect(screen.getByText('0:15 / 1:00')).toBeVisible();
  press('l', screen.getByLabelText('Speed'));
  press(' ', screen.getByRole('button', { name: 'Play' }));
  expect(screen.getByText('0:15 / 1:00')).toBeVisible();
  press(' ');
  expect(screen.getByRole('button', { name: 'Pause' })).toBeVisible();
  press('>');
  pass(4000);
  expect(screen.getByText('0:20 / 1:00')).toBeVisible();
  press('End');
  expect(screen.getByText('1:00 / 1:00')).toBeVisible();
});

/** What a browser does when an address is refused, and when one works. */
const element = (name: string) =>
  [...document.querySelectorAll('video, audio')].find((one) =>
    one.getAttribute('src')?.endsWith(name),
  ) as HTMLMediaElement;

it('an address that stopped working is replaced, and the file goes on at its place', async () => {
  const ask = vi.fn(() => Promise.resolve(addresses('new')));
  render(<Shown ask={ask} />);
  fireEvent.loadedMetadata(element('a'));
  fireEvent.change(screen.getByRole('slider', { name: 'Position' }), {
    target: { value: '35000' },
  });
  const stopped = element('a');
  fireEvent.error(stopped);
  await act(() => vi.advanceTimersByTimeAsync(0));
  expect(stopped.getAttribute('src')).toBe('/new/a');
  // The others play on as they are.
  expect(element('b').getAttribute('src')).toBe('/old/b');
  stopped.currentTime = 0;
  fireEvent.loadedMetadata(stopped);
  expect(stopped.currentTime).toBe(35);
  // The next one takes what is known, without another question.
  fireEvent.error(element('b'));
  expect(element('b').getAttribute('src')).toBe('/new/b');
  expect(ask).toHaveBeenCalledOnce();
});

it('a file that never plays is given up, and says so', async () => {
  const ask = vi.fn(() => Promise.resolve(addresses('new')));
  render(<Shown ask={ask} />);
  fireEvent.error(element('a'));
  await act(() => vi.advanceTimersByTimeAsync(0));
  fireEvent.error(element('a'));
  await act(() => vi.advanceTimersByTimeAsync(0));
  expect(ask).toHaveBeenCalledOnce();
  expect(screen.getByText('This browser cannot play this file')).toBeVisible();
});

it('who may not see it any more is told, and may try again', async () => {
  const ask = vi
    .fn<() => Promise<ReturnType<typeof addresses>>>()
    .mockRejectedValueOnce(new ApiError(404, 'recording_not_found', 'there is no such recording.'))
    .mockResolvedValue(addresses('new'));
  render(<Shown ask={ask} />);
  fireEvent.error(element('a'));
  await act(() => vi.advanceTimersByTimeAsync(0));
  expect(screen.getByRole('alert')).toHaveTextContent(/There is no such recording/);
  fireEvent.click(screen.getByRole('button', { name: 'Go on' }));
  await act(() => vi.advanceTimersByTimeAsync(0));
  expect(screen.queryByRole('alert')).toBeNull();
  expect(element('a').getAttribute('src')).toBe('/new/a');
});

it('all wait for a file that is on its way, though not for ever', () => {
  render(<Shown />);
  Object.defineProperty(element('a'), 'networkState', { value: 2, configurable: true });
  fireEvent.click(screen.getByRole('button', { name: 'Play' }));
  pass(3000);
  expect(screen.getByText('0:00 / 1:00')).toBeVisible();
  expect(screen.getByText('Loading…')).toBeVisible();
  pass(10_000);
  expect(screen.getByText('0:05 / 1:00')).toBeVisible();
  expect(screen.queryByText('Loading…')).toBeNull();
});

it('all wait for a file that is on its way to another place, though its data is long here', () => {
  render(<Shown />);
  fireEvent.change(screen.getByRole('slider', { name: 'Position' }), {
    target: { value: '30000' },
  });
  fireEvent.click(screen.getByRole('button', { name: 'Play' }));
  expect(sources()).toEqual(['a', 'b', 's']);
  const [a, b] = [element('a'), element('b')];
  Object.defineProperty(a, 'networkState', { value: HTMLMediaElement.NETWORK_IDLE });
  Object.defineProperty(a, 'seeking', { value: true, configurable: true });
  pass(2000);
  expect(screen.getByText('0:30 / 1:00')).toBeVisible();
  expect(plays).not.toContain(b);
  Object.defineProperty(a, 'seeking', { value: false });
  pass(2000);
  expect(plays).toContain(b);
  expect(screen.getByText('0:32 / 1:00')).toBeVisible();
});

it('goes where one pointed last, though it was on its way elsewhere then', () => {
  render(<Shown />);
  const slider = screen.getByRole('slider', { name: 'Position' });
  const a = element('a');
  fireEvent.change(slider, { target: { value: '20000' } });
  const before = a.currentTime;
  Object.defineProperty(a, 'seeking', { value: true, configurable: true });
  fireEvent.change(slider, { target: { value: '30000' } });
  expect(a.currentTime).toBe(before);
  Object.defineProperty(a, 'seeking', { value: false });
  fireEvent.seeked(a);
  expect(a.currentTime).toBe(before + 10);
});
