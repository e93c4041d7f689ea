import { render, screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { recordingOf } from '../../test/recording';
import { respond } from '../../test/respond';
import { Player } from './Player';

it.each([
  ['nothing was recorded', [], /Nobody was heard or seen/],
  ['all of it is pieces for other players', ['live.m3u8', 'live_00000.ts'], /players of HLS/],
])('says so where %s', async (_, names, said) => {
  const files = names.map((name) => ({ name, url: `/files/${name}` }));
  const manifest = {
    version: 1,
    room: { sid: 'RM_1', name: 'Weekly' },
    started_at: '2026-11-22T05:00:00Z',
    tracks: [],
  };
  respond({
    'GET /api/recordings/EG_1/manifest': { status: 200, body: manifest },
    'POST /api/recordings/EG_1/playback': { status: 200, body: { expires_at: 1e15, files } },
  });
  render(<Player recording={recordingOf()} />);
  expect(await screen.findByText(said)).toBeVisible();
});
