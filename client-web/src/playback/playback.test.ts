import { describe, expect, it } from 'vitest';
import { follow, IN_STEP_MS } from './follow';
import { readManifest } from './manifest';
import { isPlaying, pause, play, positionMs, seek, setSpeed, stopped } from './playhead';

describe('a manifest', () => {
  const track = (more: object) => ({
    track_sid: 'TR_1',
    participant: 'ben',
    kind: 'audio',
    source: 'MICROPHONE',
    codec: 'opus',
    file: 'ben.webm',
    offset_us: 20_000_000,
    duration_us: 30_000_000,
    gaps: [],
    resolutions: [],
    bytes: 1,
    frames: 1,
    ...more,
  });
  const manifest = {
    version: 1,
    room: { sid: 'RM_1', name: 'Weekly' },
    started_at: '2026-11-22T05:00:00Z',
    ended_at: '2026-11-22T05:01:00Z',
    participants: [
      { identity: 'ada', name: 'Ada', joined_us: 0, left_us: null },
      { identity: 'ben', name: '' },
      { name: 'Nobody' },
      7,
    ],
    tracks: [
      track({ participant: 'ada', kind: 'video', source: 'CAMERA', file: 'ada-camera.2.webm' }),
      // Sound and pictures of one person in one file.
      track({
        gaps: [
          { from_us: 22_000_000, to_us: 25_000_000, reason: 'muted' },
          { from_us: 5, to_us: 5, reason: 'lost' },
        ],
      }),
      track({
        kind: 'video',
        source: 'CAMERA',
        offset_us: 20_400_000,
        gaps: [{ from_us: 30_000_000, to_us: 31_000_000, reason: 'lost' }],
      }),
      track({ file: '../secret' }),
      track({ file: 'https://elsewhere.example/a' }),
      track({ file: 'x.webm', kind: 'smell' }),
      track({ file: 'x.webm', offset_us: -1 }),
    ],
    speakers: [
      { participant: 'ben', from_us: 30_000_000, to_us: 40_000_000 },
      { participant: 'ada', from_us: 1_000_000, to_us: 2_000_000 },
      { participant: 'ada', from_us: 5, to_us: 4 },
    ],
    chat: [{ at_us: 9000, participant: 'ada', text: 'Hi' }, { text: 'when?' }],
    events: [],
  };

  it('is read as far as it can be understood, in order', () => {
    expect(readManifest(manifest)).toEqual({
      room: 'Weekly',
      startedAt: Date.UTC(2026, 10, 22, 5),
      durationMs: 60_000,
      people: [
        { identity: 'ada', name: 'Ada' },
        { identity: 'ben', name: 'ben' },
      ],
      tracks: [
        {
          id: 'ada-camera.2.webm',
          identity: 'ada',
          kind: 'video',
          source: 'camera',
          fromMs: 20_000,
          durationMs: 30_000,
          gaps: [],
        },
        {
          id: 'ben.webm',
          identity: 'ben',
          kind: 'video',
          source: 'camera',
          fromMs: 20_000,
          durationMs: 30_400,
          gaps: [
            { kind: 'audio', fromMs: 22_000, toMs: 25_000, why: 'muted' },
            { kind: 'video', fromMs: 30_000, toMs: 31_000, why: 'lost' },
          ],
        },
      ],
      speech: [
        { identity: 'ada', fromMs: 1000, toMs: 2000 },
        { identity: 'ben', fromMs: 30_000, toMs: 40_000 },
      ],
      chat: [{ atMs: 9, name: 'Ada', text: 'Hi' }],
    });
  });

  it('a camera that was turned off for good, or came late, is missing, and not frozen', () => {
    const read = readManifest({
      ...manifest,
      tracks: [
        track({ duration_us: 30_000_000 }),
        track({ kind: 'video', offset_us: 20_200_000, duration_us: 5_000_000 }),
        track({ kind: 'video', offset_us: 30_000_000, duration_us: 10_000_000 }),
      ],
    });
    expect(read?.tracks[0]?.gaps).toEqual([
      { kind: 'video', fromMs: 25_200, toMs: 30_000, why: 'muted' },
      { kind: 'video', fromMs: 40_000, toMs: 50_000, why: 'muted' },
    ]);
  });

  it('who came again is one person, under the last name they gave', () => {
    const read = readManifest({
      ...manifest,
      participants: [
        { identity: 'ada', name: 'Ada', joined_us: 0, left_us: 5_000_000 },
        { identity: 'ben', name: 'Ben', joined_us: 0, left_us: null },
        { identity: 'ada', name: 'Ada L.', joined_us: 9_000_000, left_us: 12_000_000 },
        { identity: 'ada', name: '', joined_us: 15_000_000, left_us: null },
      ],
    });
    expect(read?.people).toEqual([
      { identity: 'ada', name: 'Ada L.' },
      { identity: 'ben', name: 'Ben' },
    ]);
    expect(read?.chat[0]?.name).toBe('Ada L.');
  });

  it('knows what was stopped from what was lost, also of before there was a word for it', () => {
    const gap = (reason: string, from_s: number, to_s: number) => ({
      from_us: from_s * 1e6,
      to_us: to_s * 1e6,
      reason,
    });
    const gaps = [
      gap('unpublished', 21, 22),
      gap('restarted', 23, 33),
      gap('restarted', 34, 45),
      gap('disk', 46, 47),
    ];
    const whys = (...tracks: object[]) =>
      readManifest({ ...manifest, tracks })?.tracks[0]?.gaps.map(({ why }) => why);
    const screen = track({ kind: 'video', source: 'SCREEN_SHARE', gaps });
    expect(whys(screen)).toEqual(['unpublished', 'lost', 'unpublished', 'lost']);
    // Who is heard in the same file is there, with the camera off.
    expect(whys(screen, track({}))).toEqual(['muted', 'lost', 'muted', 'lost']);
  });

  it('that has no end yet lasts as long as its files', () => {
    expect(readManifest({ ...manifest, ended_at: null })?.durationMs).toBe(50_400);
  });

  it.each([undefined, null, 'x', [], {}, { version: 1 }, { ...manifest, version: 2 }])(
    'is none: %j',
    (json) => {
      expect(readManifest(json)).toBeUndefined();
    },
  );
});

describe('the playhead', () => {
  it('moves while it plays, as fast as it is told, and not beyond the ends', () => {
    let head = play(stopped(60_000), 1000);
    expect(positionMs(head, 6000)).toBe(5000);
    head = setSpeed(head, 6000, 2);
    expect(positionMs(head, 8000)).toBe(9000);
    head = pause(head, 8000);
    expect(positionMs(head, 99_000)).toBe(9000);
    head = play(seek(head, 99_000, 58_000), 99_000);
    expect(isPlaying(head, 99_500)).toBe(true);
    expect(positionMs(head, 200_000)).toBe(60_000);
    expect(isPlaying(head, 200_000)).toBe(false);
    expect(positionMs(seek(head, 0, -5), 0)).toBe(0);
  });

  it('begins anew from its end', () => {
    const head = play(seek(stopped(60_000), 0, 60_000), 0);
    expect(positionMs(head, 1000)).toBe(1000);
  });
});

describe('a track that follows', () => {
  const track = { fromMs: 10_000, durationMs: 30_000 };
  const at = (ms: number, playing = true, speed = 1) => ({ positionMs: ms, playing, speed });
  const element = (ms: number, seeking = false) => ({ positionMs: ms, seeking });

  it('is there in its own time only', () => {
    expect(follow(track, at(9_999), element(0))).toMatchObject({ present: false, play: false });
    expect(follow(track, at(10_000), element(0))).toMatchObject({ present: true, play: true });
    expect(follow(track, at(40_000), element(30_000))).toMatchObject({ present: false });
  });

  it('goes where it belongs when it is far off, and is not sent again on its way', () => {
    expect(follow(track, at(20_000), element(0)).seekTo).toBe(10);
    expect(follow(track, at(20_000), element(0, true)).seekTo).toBeUndefined();
    // Standing still, there is no other way.
    expect(follow(track, at(20_000, false), element(9_900)).seekTo).toBe(10);
  });

  it.each([-400, -60, 60, 400])(
    '%i ms off, it gets into step within three seconds, without a jump',
    (off) => {
      let own = 5000 + off;
      let head = 15_000;
      let looks = 0;
      while (Math.abs(head - 10_000 - own) > IN_STEP_MS) {
        const order = follow(track, at(head, true, 1.5), element(own));
        expect(order.seekTo).toBeUndefined();
        head += 100 * 1.5;
        own += 100 * order.rate;
        expect(++looks).toBeLessThan(30);
        // Still to be understood.
        expect(Math.abs(order.rate / 1.5 - 1)).toBeLessThanOrEqual(0.25);
      }
      expect(follow(track, at(head, true, 1.5), element(own)).rate).toBe(1.5);
    },
  );
});
