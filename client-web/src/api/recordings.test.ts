import { expect, it } from 'vitest';
import { respond } from '../test/respond';
import { recordingOf } from '../test/recording';
import { roomDesk } from './hosts';
import { recordings } from './recordings';

it('asks for what the server calls it', async () => {
  const answer = { status: 200, body: recordingOf() };
  const asked = respond({
    'GET /api/recordings?limit=25&room=k3m9x2qa&before=EG_2': {
      status: 200,
      body: { recordings: [recordingOf()], next: 'EG_1' },
    },
    'GET /api/recordings/EG_1': answer,
    'POST /api/recordings/EG_1/composite': answer,
    'PATCH /api/recordings/EG_1': answer,
    'POST /api/recordings/EG_1/playback': {
      status: 200,
      body: { expires_at: 9, files: [{ name: 'a.webm', url: '/x' }] },
    },
    'DELETE /api/recordings/EG_1': { status: 204, body: '' },
  });
  const page = await recordings.list({ limit: 25, room: 'k3m9x2qa', before: 'EG_2' }, 't');
  expect([page.recordings[0]?.id, page.next]).toEqual(['EG_1', 'EG_1']);
  expect((await recordings.get('EG_1', 't')).state).toBe('complete');
  await recordings.compose('EG_1', 'single-speaker', 't');
  await recordings.change('EG_1', { is_held: true }, 't');
  expect((await recordings.addresses('EG_1', 't')).files).toHaveLength(1);
  expect(await recordings.remove('EG_1', 't')).toBeUndefined();
  expect(asked.map(({ method, body }) => [method, body])).toEqual([
    ['GET', undefined],
    ['GET', undefined],
    ['POST', { layout: 'single-speaker' }],
    ['PATCH', { is_held: true }],
    ['POST', {}],
    ['DELETE', undefined],
  ]);
  expect(asked.every(({ headers }) => 'authorization' in headers)).toBe(true);
});

it('an id that is a way to somewhere else leads nowhere', async () => {
  const asked = respond({});
  await recordings.get('../users', 't').catch(() => undefined);
  expect(asked[0]?.path).toBe('/api/recordings/..%2Fusers');
});

it('a host records the room, and stops what goes on in it, whoever began it', async () => {
  const room = '/api/rooms/k3m9x2qa/recordings';
  const list = '/api/recordings?room=k3m9x2qa&limit=1000';
  const asked = respond({
    [`POST ${room}`]: { status: 201, body: recordingOf({ state: 'starting' }) },
    [`GET ${list}`]: { status: 200, body: { recordings: [recordingOf()], next: 'EG_3' } },
    // Behind all that came after it and are over.
    [`GET ${list}&before=EG_3`]: {
      status: 200,
      body: {
        recordings: [recordingOf({ id: 'EG_2', state: 'active' }), recordingOf({ id: 'EG_1' })],
        next: null,
      },
    },
    'POST /api/recordings/EG_2/stop': { status: 200, body: recordingOf({ state: 'ending' }) },
  });
  const desk = roomDesk('k3m9x2qa', () => 't');
  await desk.record();
  await desk.stopRecording();
  expect(asked.map(({ method, path, body }) => [method, path, body])).toEqual([
    ['POST', room, { source: { kind: 'room', layout: 'grid' }, composite: false }],
    ['GET', list, undefined],
    ['GET', `${list}&before=EG_3`, undefined],
    ['POST', '/api/recordings/EG_2/stop', {}],
  ]);
});
