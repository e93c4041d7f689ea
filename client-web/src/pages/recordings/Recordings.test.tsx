import { act, render, screen, waitFor, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { RecordingInfo } from '../../api/recordings';
import { recordingOf } from '../../test/recording';
import { respond } from '../../test/respond';
import Recording from './Recording';
import Recordings from './Recordings';

const info = {
  'GET /api/info': { status: 200, body: { name: 'sluice', version: '0', dev: true } },
};
const page = (recordings: RecordingInfo[], next: string | null = null) => ({
  status: 200,
  body: { recordings, next },
});
const ok = (recording: RecordingInfo) => ({ status: 200, body: recording });
const refusal = (status: number, code: string, message: string) => ({
  status,
  body: { error: { code, message } },
});

const manifest = {
  version: 1,
  room: { sid: 'RM_1', name: 'Weekly' },
  started_at: '2026-11-22T05:00:00Z',
  ended_at: '2026-11-22T05:01:00Z',
  participants: [{ identity: 'ada', name: 'Ada' }],
  tracks: [
    {
      participant: 'ada',
      kind: 'video',
      source: 'camera',
      file: 'ada.webm',
      offset_us: 0,
      duration_us: 60_000_000,
    },
  ],
  speakers: [],
  chat: [],
};
const playable = {
  'GET /api/recordings/EG_1/manifest': { status: 200, body: manifest },
  'POST /api/recordings/EG_1/playback': {
    status: 200,
    body: { expires_at: 1e15, files: [{ name: 'ada.webm', url: '/files/ada.webm?pass=x' }] },
  },
};

beforeEach(() => {
  window.history.replaceState(null, '', '/recordings');
});
afterEach(() => {
  vi.useRealTimers();
});

async function choose(action: string) {
  await userEvent.click(screen.getAllByTestId('recording-menu')[0] as HTMLElement);
  await userEvent.click(screen.getByTestId(`recording-${action}`));
}

describe('the list of recordings', () => {
  it('says what there is, older ones when asked', async () => {
    respond({
      ...info,
      'GET /api/recordings?limit=25': page(
        [recordingOf({ id: 'EG_2', state: 'failed', reason: 'the disk is full' })],
        'EG_2',
      ),
      'GET /api/recordings?limit=25&before=EG_2': page([
        recordingOf({ is_held: true, started_at: 1 }),
      ]),
    });
    render(<Recordings />);
    const row = await screen.findByTestId('recording-row');
    expect(row).toHaveTextContent(/k3m9x2qa.*the disk is full.*1 min.*4.2 MB.*Failed/);
    expect(within(row).getByRole('link')).toHaveAttribute('href', '/recordings/EG_2');
    await userEvent.click(screen.getByTestId('recordings-more'));
    await waitFor(() => {
      expect(screen.getAllByTestId('recording-row')).toHaveLength(2);
    });
    expect(screen.getAllByTestId('recording-row')[1]).toHaveTextContent(/Complete.*Held/);
    expect(screen.queryByTestId('recordings-more')).toBeNull();
  });

  it('says how one is made where there is none', async () => {
    respond({ ...info, 'GET /api/recordings?limit=25': page([]) });
    render(<Recordings />);
    expect(await screen.findByTestId('recordings-empty')).toBeVisible();
  });

  it('is for those who may know', async () => {
    respond({ ...info, 'GET /api/recordings?limit=25': refusal(401, 'no_token', 'send a token') });
    render(<Recordings />);
    expect(await screen.findByRole('link', { name: 'Sign in' })).toBeVisible();
  });

  it('holds one, which cannot be deleted then, and says why it could not be released', async () => {
    const table = {
      ...info,
      'GET /api/recordings?limit=25': page([recordingOf()]),
      'PATCH /api/recordings/EG_1': ok(recordingOf({ is_held: true })),
    };
    const asked = respond(table);
    render(<Recordings />);
    await screen.findByTestId('recording-row');
    await choose('hold');
    expect(await screen.findByText('Held')).toBeVisible();
    expect(asked.at(-1)).toMatchObject({ body: { is_held: true } });
    await userEvent.click(screen.getByTestId('recording-menu'));
    expect(screen.queryByTestId('recording-delete')).toBeNull();
    respond({
      ...table,
      'PATCH /api/recordings/EG_1': refusal(403, 'not_an_admin', 'only an administrator releases'),
    });
    await userEvent.click(screen.getByTestId('recording-hold'));
    expect(await screen.findByRole('alert')).toHaveTextContent('Only an administrator releases');
  });

  it('deletes one after a question, and stays with it when that does not work', async () => {
    const table = { ...info, 'GET /api/recordings?limit=25': page([recordingOf()]) };
    respond({
      ...table,
      'DELETE /api/recordings/EG_1': refusal(409, 'going_on', 'its video is being made.'),
    });
    render(<Recordings />);
    await screen.findByTestId('recording-row');
    await choose('delete');
    await userEvent.click(screen.getByTestId('recording-delete-confirm'));
    expect(await screen.findByText('Its video is being made.')).toBeVisible();
    respond({ ...table, 'DELETE /api/recordings/EG_1': { status: 204, body: '' } });
    await userEvent.click(screen.getByTestId('recording-delete-confirm'));
    expect(await screen.findByTestId('recordings-empty')).toBeVisible();
  });

  it('gives the files, by addresses that are asked for when one wants them', async () => {
    respond({ ...info, ...playable, 'GET /api/recordings?limit=25': page([recordingOf()]) });
    const followed: string[] = [];
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(function (
      this: HTMLAnchorElement,
    ) {
      followed.push(this.href);
    });
    render(<Recordings />);
    await screen.findByTestId('recording-row');
    await choose('download');
    await userEvent.click(screen.getByRole('button', { name: 'Download ada.webm' }));
    await waitFor(() => {
      expect(followed).toEqual(['http://localhost:3000/files/ada.webm?pass=x&download=1']);
    });
    await userEvent.click(screen.getByRole('button', { name: 'Download ben.webm' }));
    expect(await screen.findByText('There is no ben.webm any more.')).toBeVisible();
  });
});

describe('the page of a recording', () => {
  it('opens by itself when the recording is over', async () => {
    vi.useFakeTimers();
    const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));
    respond({ ...info, 'GET /api/recordings/EG_1': ok(recordingOf({ state: 'active' })) });
    render(<Recording id="EG_1" />);
    await pass(0);
    expect(screen.getByTestId('recording-going-on')).toBeVisible();
    const ending = (more: Partial<RecordingInfo>) => ok(recordingOf({ state: 'ending', ...more }));
    respond({ ...info, 'GET /api/recordings/EG_1': ending({ has_manifest: false, files: [] }) });
    await pass(1000);
    expect(screen.getByText(/being finished/)).toBeVisible();
    // Whatever is still made of it.
    const composite = { state: 'running' as const, progress: 0.4, file: null, reason: null };
    respond({ ...info, ...playable, 'GET /api/recordings/EG_1': ending({ composite }) });
    await pass(1000);
    expect(screen.getByTestId('playback')).toBeVisible();
    expect(screen.getByLabelText('Making the video: 40 %')).toBeVisible();
    expect(screen.queryByTestId('recording-delete')).toBeNull();
    const video = document.querySelector('video');
    expect(video).toHaveAttribute('src', '/files/ada.webm?pass=x');
    respond({ ...info, ...playable, 'GET /api/recordings/EG_1': ok(recordingOf()) });
    await pass(1000);
    expect(screen.getByTestId('recording-delete')).toBeVisible();
    expect(document.querySelector('video')).toBe(video);
  });

  it('one that ended by itself says why, and plays to there', async () => {
    const cut = recordingOf({ state: 'failed', reason: 'the disk is full' });
    respond({ ...info, ...playable, 'GET /api/recordings/EG_1': ok(cut) });
    render(<Recording id="EG_1" />);
    expect(await screen.findByTestId('recording-reason')).toHaveTextContent(/the disk is full/);
    expect(await screen.findByTestId('playback')).toBeVisible();
  });

  it('one without a manifest shows its files', async () => {
    const bare = recordingOf({ has_manifest: false });
    respond({ ...info, ...playable, 'GET /api/recordings/EG_1': ok(bare) });
    render(<Recording id="EG_1" />);
    expect(await screen.findByLabelText('ada.webm')).toBeVisible();
    expect(screen.queryByTestId('composite')).toBeNull();
  });

  it('what is not there, or somebody else’s, is said', async () => {
    respond({
      ...info,
      'GET /api/recordings/EG_1': refusal(
        404,
        'recording_not_found',
        'there is no such recording.',
      ),
    });
    render(<Recording id="EG_1" />);
    expect(await screen.findByTestId('access-note')).toHaveTextContent(
      'There is no such recording.',
    );
  });

  it('orders one video, follows how it comes about, and shows it', async () => {
    const of = (composite: RecordingInfo['composite']) => ok(recordingOf({ composite }));
    const table = { ...info, ...playable };
    respond({
      ...table,
      'GET /api/recordings/EG_1': ok(recordingOf()),
      'POST /api/recordings/EG_1/composite': refusal(
        409,
        'ffmpeg_missing',
        'this server has no ffmpeg, which makes videos.',
      ),
    });
    render(<Recording id="EG_1" />);
    await userEvent.click(await screen.findByTestId('composite-order'));
    expect(await screen.findByText(/has no ffmpeg/)).toBeVisible();
    const running = of({ state: 'running', progress: 0.426, file: null, reason: null });
    const asked = respond({
      ...table,
      'GET /api/recordings/EG_1': running,
      'POST /api/recordings/EG_1/composite': running,
    });
    await userEvent.selectOptions(screen.getByLabelText('Layout'), 'speaker');
    await userEvent.click(screen.getByTestId('composite-order'));
    expect(await screen.findByLabelText('Making the video: 42 %')).toHaveValue(0.426);
    expect(asked[0]).toMatchObject({ body: { layout: 'speaker' } });
    respond({
      ...table,
      'GET /api/recordings/EG_1': of({ state: 'done', progress: 1, file: 'all.mp4', reason: null }),
      'POST /api/recordings/EG_1/playback': {
        status: 200,
        body: { expires_at: 1e15, files: [{ name: 'all.mp4', url: '/files/all.mp4' }] },
      },
    });
    await waitFor(
      () => {
        expect(screen.getByTestId('composite-video')).toHaveAttribute('src', '/files/all.mp4');
      },
      { timeout: 3000 },
    );
    expect(screen.getByRole('button', { name: 'Download all.mp4' })).toBeVisible();
  });
});
