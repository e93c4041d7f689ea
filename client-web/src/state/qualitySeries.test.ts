import { expect, it } from 'vitest';
import type { QualitySample } from '../api/history';
import { GRADES, qualitySeries } from './qualitySeries';

const sample = (at: number, change: Partial<QualitySample> = {}): QualitySample => ({
  participant_id: 'PA_1',
  identity: 'ada',
  at,
  bitrate: 1000,
  frameRate: 30,
  resolution: '',
  packetLoss: 0,
  latency: null,
  jitter: 2,
  quality: 'good',
  ...change,
});

it('orders samples, grades words, and leaves a hole where somebody was away', () => {
  const series = qualitySeries([sample(60_000, { quality: 'poor' }), sample(0), sample(10_000)]);
  expect(series.grade).toEqual([
    { at: 0, value: 3 },
    { at: 10_000, value: 3 },
    { at: 10_001, value: null },
    { at: 60_000, value: 1 },
  ]);
  expect(GRADES[series.grade[0]?.value ?? 0]).toBe('Good');
  expect(series.latency.every(({ value }) => value === null)).toBe(true);
  expect(series.jitter).toHaveLength(series.grade.length);
});

it.each(['lost', 'poor', 'fair', 'good', 'excellent'] as const)(
  '%s has a grade of its own',
  (quality) => {
    const [point] = qualitySeries([sample(0, { quality })]).grade;
    expect(GRADES[point?.value ?? -1]?.toLowerCase()).toBe(quality);
  },
);
