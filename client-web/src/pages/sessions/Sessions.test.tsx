import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { recordingOf } from '../../test/recording';
import { respond } from '../../test/respond';
import Session from './Session';
import Sessions from './Sessions';

const session = (id: string, change: object = {}) => ({
  session_id: id,
  room_id: 'k3m9x2qa',
  room_name: 'Weekly',
  kind: 'instant',
  phase: 'ended',
  state: 'Ended',
  companion_id: null,
  started_at: 1_000,
  ended_at: 94_000,
  duration_seconds: 93,
  participants: 2,
  message_count: 3,
  transcript_preview: '',
  ...change,
});
const info = {
  'GET /api/info': { status: 200, body: { name: 'sluice', version: '0', dev: true } },
};
const page = (sessions: object[], more = false) => ({ status: 200, body: { sessions, more } });

beforeEach(() => {
  window.history.replaceState(null, '', '/sessions');
});

describe('the sessions page', () => {
  it('lists what happened, older ones when asked, and only a room’s when told', async () => {
    const asked = respond({
      ...info,
      'GET /api/sessions?limit=25': page([session('RM_2', { started_at: 5000 })], true),
      'GET /api/sessions?limit=25&before=RM_2': page([session('RM_1')]),
      'GET /api/sessions?limit=25&room=k3m9x2qa': page([]),
    });
    render(<Sessions />);
    expect(await screen.findByRole('link', { name: 'Weekly' })).toHaveAttribute(
      'href',
      '/sessions/RM_2',
    );
    expect(screen.getByTestId('session-row')).toHaveTextContent('1 min 33 s');
    await userEvent.click(screen.getByTestId('sessions-more'));
    await waitFor(() => {
      expect(screen.getAllByTestId('session-row')).toHaveLength(2);
    });
    expect(screen.queryByTestId('sessions-more')).toBeNull();
    await userEvent.type(screen.getByLabelText('Room id'), 'k3m9x2qa{Enter}');
    expect(await screen.findByText(/No sessions yet/)).toBeVisible();
    expect(asked.at(-1)?.path).toBe('/api/sessions?limit=25&room=k3m9x2qa');
  });

  it('a stranger is shown the way in, and is brought back', async () => {
    respond({
      ...info,
      'GET /api/sessions?limit=25': {
        status: 401,
        body: { error: { code: 'no_token', message: 'send a token' } },
      },
    });
    render(<Sessions />);
    await userEvent.click(await screen.findByRole('link', { name: 'Sign in' }));
    expect(window.location.pathname).toBe('/signin');
    expect(sessionStorage.getItem('sluice.next')).toBe('/sessions');
  });

  it('gives the list as a file', async () => {
    respond({ ...info, 'GET /api/sessions?format=csv&limit=all': { status: 200, body: 'a,b' } });
    const saved = vi.fn(() => 'blob:x');
    URL.createObjectURL = saved;
    URL.revokeObjectURL = vi.fn();
    vi.spyOn(HTMLAnchorElement.prototype, 'click').mockImplementation(() => undefined);
    render(<Sessions />);
    await userEvent.click(screen.getByTestId('download-csv'));
    await waitFor(() => {
      expect(saved).toHaveBeenCalledOnce();
    });
    // The page shows a part, the file does not.
    expect(await screen.findByText(/all sessions of the list/)).toBeVisible();
  });
});

it('a session says who was there, and how it went for each', async () => {
  const sample = (identity: string, at: number) => ({
    participant_id: `PA_${identity}`,
    identity,
    at,
    bitrate: 1_000_000,
    frameRate: 30,
    resolution: '',
    packetLoss: 0,
    latency: 40,
    jitter: 2,
    quality: 'good',
  });
  respond({
    ...info,
    'GET /api/sessions/RM_1': {
      status: 200,
      body: session('RM_1', {
        participants: [
          {
            participant_id: 'PA_ada',
            identity: 'ada',
            name: 'Ada Lovelace',
            role: 'host',
            user_id: null,
            joined_at: 1000,
            left_at: 94_000,
            duration_seconds: 93,
            left_because: 'CLIENT_INITIATED',
          },
        ],
      }),
    },
    'GET /api/sessions/RM_1/quality': {
      status: 200,
      body: { samples: [sample('ada', 0), sample('ada', 10_000)], more: true },
    },
    'GET /api/recordings?room=k3m9x2qa&limit=100': {
      status: 200,
      body: {
        recordings: [recordingOf(), recordingOf({ id: 'EG_0', session: 'RM_0' })],
        next: null,
      },
    },
    // The answers meet in one moment, which counts once.
    'GET /api/sessions/RM_1/quality?from=10000': {
      status: 200,
      body: { samples: [sample('ada', 10_000), sample('gone', 10_000)], more: false },
    },
  });
  render(<Session id="RM_1" />);
  expect(await screen.findByTestId('stay-row')).toHaveTextContent(/Ada Lovelace.*client initiated/);
  expect(await screen.findByTestId('session-recording')).toHaveAttribute(
    'href',
    '/recordings/EG_1',
  );
  expect(await screen.findByRole('img', { name: /Connection: from Good to Good/ })).toBeVisible();
  await userEvent.selectOptions(screen.getByLabelText('Whose quality'), 'gone');
  expect(screen.getByRole('img', { name: /Received: .*last 1 Mbit/ })).toBeVisible();
});
