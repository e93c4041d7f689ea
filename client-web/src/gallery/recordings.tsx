/**
 * The pages of recordings over invented answers: `?scene=recordings` (`&empty`, `&denied`), `?scene=recording`
 * (`&state=active|ending|failed`, `&composite=waiting|running|failed`). There are no files to play: put some below
 * `/gallery-media/`, or see what a browser shows that cannot play them.
 */
import type { RecordingInfo } from '../api/recordings';
import Recording from '../pages/recordings/Recording';
import Recordings from '../pages/recordings/Recordings';
import { recordingOf } from '../test/recording';

const MINUTE_MS = 60_000;

export function RecordingsScene({ query }: { query: URLSearchParams }) {
  return query.get('scene') === 'recordings' ? <Recordings /> : <Recording id="EG_1" />;
}

/** No server: what the pages ask is answered from here. */
export function answerFromHere(query: URLSearchParams): void {
  const shown = asked(query);
  window.fetch = (path) => {
    const [answer, status] = answerTo(typeof path === 'string' ? path : '', query, shown);
    return Promise.resolve(new Response(JSON.stringify(answer), { status }));
  };
}

function asked(query: URLSearchParams): RecordingInfo {
  const composite = (query.get('composite') ?? 'none') as RecordingInfo['composite']['state'];
  return recordingOf({
    state: (query.get('state') ?? 'complete') as RecordingInfo['state'],
    reason: query.get('state') === 'failed' ? 'the disk is full' : null,
    duration_ms: MINUTE_MS,
    composite: {
      state: composite,
      progress: 0.42,
      file: composite === 'done' ? 'all.mp4' : null,
      reason: composite === 'failed' ? 'ffmpeg ended with status 1' : null,
    },
    is_held: query.has('held'),
  });
}

function answerTo(path: string, query: URLSearchParams, shown: RecordingInfo): [unknown, number] {
  if (path === '/api/info') return [{ name: 'sluice', version: '0', dev: true }, 200];
  if (query.has('denied')) return [{ error: { code: 'no_token', message: 'send a token' } }, 401];
  if (path.endsWith('/manifest')) return [manifest(), 200];
  if (path.endsWith('/playback')) {
    const files = ['ada.webm', 'ben.webm', 'grace.webm', 'screen.webm', 'all.mp4'].map((name) => ({
      name,
      url: `/gallery-media/${name}`,
    }));
    return [{ expires_at: Date.now() + 5 * MINUTE_MS, files }, 200];
  }
  if (path.startsWith('/api/recordings?')) {
    return [
      query.has('empty') ? { recordings: [], next: null } : { recordings: list(), next: 'EG_0' },
      200,
    ];
  }
  return [shown, 200];
}

function list(): RecordingInfo[] {
  const now = Date.now();
  return [
    recordingOf({
      id: 'EG_9',
      state: 'active',
      started_at: now - 13 * MINUTE_MS,
      bytes: 41_000_000,
    }),
    recordingOf({ id: 'EG_8', room: 'Stand-up_1', state: 'ending', duration_ms: 912_000 }),
    recordingOf({
      id: 'EG_7',
      is_held: true,
      duration_ms: 4_512_000,
      bytes: 1_240_000_000,
      composite: { state: 'running', progress: 0.4, file: null, reason: null },
    }),
    recordingOf({ id: 'EG_6', state: 'failed', reason: 'the disk is full', bytes: 0 }),
    recordingOf({ id: 'EG_5', state: 'limit_reached', expires_at: now + 9e8 }),
  ];
}

function manifest() {
  const track = (
    participant: string,
    file: string,
    kind: string,
    from: number,
    gaps: object[],
  ) => ({
    participant,
    file,
    kind,
    source: file === 'screen.webm' ? 'screen_share' : kind === 'audio' ? 'microphone' : 'camera',
    offset_us: from * 1e6,
    duration_us: (file === 'screen.webm' ? 15 : 60 - from) * 1e6,
    gaps,
  });
  const gap = (from: number, to: number, reason: string) => ({
    from_us: from * 1e6,
    to_us: to * 1e6,
    reason,
  });
  const spoke = (participant: string, from: number, to: number) => ({
    participant,
    from_us: from * 1e6,
    to_us: to * 1e6,
  });
  const wrote = (at: number, participant: string, text: string) => ({
    at_us: at * 1e6,
    participant,
    text,
  });
  return {
    version: 1,
    room: { sid: 'RM_1', name: 'Weekly catch-up' },
    started_at: '2026-11-22T05:00:00Z',
    ended_at: '2026-11-22T05:01:00Z',
    participants: [
      { identity: 'ada', name: 'Ada Lovelace' },
      { identity: 'ben', name: 'Ben' },
      { identity: 'grace', name: 'Grace Hopper' },
    ],
    tracks: [
      track('ada', 'ada.webm', 'audio', 0, [gap(40, 52, 'muted')]),
      track('ada', 'ada.webm', 'video', 0, []),
      track('ben', 'ben.webm', 'audio', 12, [gap(12, 20, 'muted'), gap(33, 34, 'lost')]),
      track('ben', 'ben.webm', 'video', 12, [gap(25, 45, 'muted'), gap(33, 34, 'lost')]),
      track('grace', 'grace.webm', 'audio', 5, []),
      track('ada', 'screen.webm', 'video', 30, []),
    ],
    speakers: [
      spoke('ada', 1, 11),
      spoke('grace', 11.5, 14),
      spoke('ada', 14.2, 19),
      spoke('ben', 21, 29),
      spoke('ada', 30, 39),
      spoke('grace', 41, 50),
    ],
    chat: [
      wrote(13, 'ben', 'Sorry, I am late'),
      wrote(15, 'grace', 'No harm done. We had only begun.'),
      wrote(31, 'ada', 'https://calls.example.org/notes'),
      wrote(44, 'ben', 'Ada, you are muted'),
    ],
  };
}
