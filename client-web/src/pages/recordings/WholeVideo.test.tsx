import { fireEvent, render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { expect, it, vi } from 'vitest';
import { recordingOf } from '../../test/recording';
import { respond } from '../../test/respond';
import { WholeVideo } from './WholeVideo';

const recording = recordingOf({
  composite: { state: 'done', progress: 1, file: 'all.mp4', reason: null },
});

it('plays on at its place with a new address, and says when it cannot', async () => {
  const addresses = (url: string) => ({
    'POST /api/recordings/EG_1/playback': {
      status: 200,
      body: { expires_at: 1e15, files: [{ name: 'all.mp4', url }] },
    },
  });
  vi.spyOn(HTMLMediaElement.prototype, 'load').mockReturnValue(undefined);
  const play = vi.spyOn(HTMLMediaElement.prototype, 'play').mockResolvedValue(undefined);
  const paused = vi.spyOn(HTMLMediaElement.prototype, 'paused', 'get').mockReturnValue(false);
  respond(addresses('/files/1'));
  render(<WholeVideo recording={recording} onChanged={() => undefined} />);
  const video = await screen.findByTestId<HTMLVideoElement>('composite-video');
  const has = (url: string) =>
    waitFor(() => {
      expect(video).toHaveAttribute('src', url);
    });
  const goTo = (at: number) => {
    video.currentTime = at;
    fireEvent.timeUpdate(video);
  };
  await has('/files/1');
  goTo(40);
  respond(addresses('/files/2'));
  fireEvent.error(video);
  await has('/files/2');
  // What is loaded anew begins at 0, and is paused.
  paused.mockReturnValue(true);
  goTo(0);
  fireEvent.loadedMetadata(video);
  expect([video.currentTime, play.mock.calls.length]).toEqual([40, 1]);
  fireEvent.timeUpdate(video);
  expect(screen.queryByRole('alert')).toBeNull();
  // At the same place again: it is not the address.
  fireEvent.error(video);
  expect(screen.getByRole('alert')).toHaveTextContent(/The video stopped/);
  // The address may be the same, and work now.
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
  await has('/files/2#again');
  goTo(0);
  fireEvent.loadedMetadata(video);
  expect([video.currentTime, play.mock.calls.length]).toEqual([40, 2]);
  expect(screen.queryByRole('alert')).toBeNull();
});

it('shows the video there is while another one is made, or could not be', async () => {
  respond({
    'POST /api/recordings/EG_1/playback': {
      status: 200,
      body: { expires_at: 1e15, files: [{ name: 'all.mp4', url: '/files/1' }] },
    },
  });
  const of = (state: 'running' | 'failed') =>
    recordingOf({ composite: { state, progress: 0, file: 'all.mp4', reason: null } });
  const shown = (state: 'running' | 'failed') => (
    <WholeVideo recording={of(state)} onChanged={() => undefined} />
  );
  const { rerender } = render(shown('running'));
  const video = await screen.findByTestId('composite-video');
  rerender(shown('failed'));
  expect(screen.getByTestId('composite-video')).toBe(video);
  expect(screen.getByRole('status')).toHaveTextContent(/could not be made/);
});
