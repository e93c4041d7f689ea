import { describe, expect, it } from 'vitest';
import type { Track } from './manifest';
import { gapAt, lanes, linesUntil, presentAt, shownOf, speakerAt, speaksAt } from './timeline';

/** A file of somebody from beginning to end. */
const whole = (identity: string): Track => ({
  id: identity,
  identity,
  kind: 'video',
  source: 'camera',
  fromMs: 0,
  durationMs: 10_000,
  gaps: [],
});

describe('the timeline', () => {
  const speech = [
    { identity: 'ada', fromMs: 0, toMs: 1000 },
    { identity: 'ada', fromMs: 1500, toMs: 2000 },
    { identity: 'ben', fromMs: 3000, toMs: 8000 },
    { identity: 'ada', fromMs: 9000, toMs: 10_000 },
  ];
  const people = ['ada', 'ben', 'cleo', 'dan'].map((identity) => ({ identity, name: identity }));
  const tracks: Track[] = [
    { ...whole('ada'), fromMs: 0, durationMs: 6000 },
    { ...whole('ada'), fromMs: 5000, durationMs: 5000 },
    {
      ...whole('cleo'),
      gaps: [
        { kind: 'audio', fromMs: 1000, toMs: 4000, why: 'muted' },
        { kind: 'video', fromMs: 1000, toMs: 9000, why: 'muted' },
        { kind: 'video', fromMs: 9000, toMs: 10_000, why: 'lost' },
      ],
    },
  ];

  it('has a lane for each who was there, with breaths left out and what is missing', () => {
    const none = { present: [], muted: [], lost: [] };
    expect(lanes(people, tracks, speech, 10_000)).toEqual([
      { ...none, person: people[1], bars: [{ from: 0.3, to: 0.8 }], spokeMs: 5000 },
      {
        ...none,
        person: people[0],
        present: [{ from: 0, to: 1 }],
        bars: [
          { from: 0, to: 0.2 },
          { from: 0.9, to: 1 },
        ],
        spokeMs: 2500,
      },
      {
        person: people[2],
        present: [{ from: 0, to: 1 }],
        bars: [],
        muted: [{ from: 0.1, to: 0.4 }],
        lost: [{ from: 0.9, to: 1 }],
        spokeMs: 0,
      },
    ]);
    expect(lanes(people, tracks, speech, 0)).toEqual([]);
  });

  it('has somebody to show from the first moment to the last', () => {
    const at = (tracks: Track[], ms: number) => presentAt(tracks, ms).map(({ id }) => id);
    // Together a moment before the first of them, and a moment after the last.
    const shifted = [
      { ...whole('ada'), fromMs: 400 },
      { ...whole('ben'), fromMs: 900 },
    ];
    expect(at(shifted, 0)).toEqual(['ada', 'ben']);
    expect(at(shifted, 1000)).toEqual(['ada', 'ben']);
    expect(at(shifted, 600)).toEqual(['ada']);
    expect(at(shifted, 11_500)).toEqual(['ada', 'ben']);
    // In a long hole nobody was there.
    const apart = [whole('ada'), { ...whole('ben'), fromMs: 15_000 }];
    expect([9000, 11_400, 12_500, 13_600].map((ms) => at(apart, ms))).toEqual([
      ['ada'],
      ['ada'],
      [],
      ['ben'],
    ]);
    expect(presentAt([], 0)).toEqual([]);
  });

  it('a screen that is not shared for a while is neither there nor lost', () => {
    const screen: Track = {
      ...whole('ada'),
      source: 'screen_share',
      gaps: [{ kind: 'video', fromMs: 2000, toMs: 8000, why: 'unpublished' }],
    };
    const there = [1999, 2000, 7999, 8000].map((ms) => presentAt([screen], ms).length);
    expect(there).toEqual([1, 0, 0, 1]);
    expect(lanes(people, [screen], [], 10_000)[0]).toMatchObject({ muted: [], lost: [] });
  });

  it('shows nobody twice', () => {
    const ids = (present: Track[]) => shownOf(present).map(({ id }) => id);
    const first = { ...whole('ada'), id: 'first' };
    const next = { ...first, id: 'next', fromMs: 9000 };
    const sound: Track = { ...first, id: 'sound', kind: 'audio', source: 'microphone' };
    const screen = { ...first, id: 'screen', source: 'screen_share', fromMs: 500 };
    expect(ids([first, next])).toEqual(['next']);
    expect(ids([first, sound, screen, whole('ben')])).toEqual(['first', 'screen', 'ben']);
    expect(ids([sound, { ...sound, id: 'later', fromMs: 9000 }])).toEqual(['sound', 'later']);
  });

  it('knows what is missing at a moment', () => {
    const [, , cleo] = tracks;
    if (!cleo) throw new Error('no track');
    expect(gapAt(cleo, 'audio', 1000)?.why).toBe('muted');
    expect(gapAt(cleo, 'audio', 4000)).toBeUndefined();
    expect(gapAt(cleo, 'video', 9500)?.why).toBe('lost');
    expect(gapAt(cleo, 'video', 10_200)?.why).toBe('lost');
    expect([500, 1200].map((ms) => speaksAt(speech, 'ada', ms))).toEqual([true, false]);
  });

  it('knows who spoke last, and what was written', () => {
    expect(speakerAt(speech, 2500)).toBe('ada');
    expect(speakerAt(speech, 3000)).toBe('ben');
    expect(speakerAt([], 3000)).toBeUndefined();
    const chat = [5, 10].map((atMs) => ({ atMs, name: 'Ada', text: 'x' }));
    expect([0, 5, 9, 10, 99].map((ms) => linesUntil(chat, ms))).toEqual([0, 1, 1, 2, 2]);
  });
});
