/** Samples of one participant as the lines of charts. */
import type { QualitySample, QualityWord } from '../api/history';
import type { Point } from './chart';

/** From the worst up: a grade is its place here. */
export const GRADES = ['Lost', 'Poor', 'Fair', 'Good', 'Excellent'] as const;

const GRADE: Record<QualityWord, number> = { lost: 0, poor: 1, fair: 2, good: 3, excellent: 4 };

export interface QualitySeries {
  grade: Point[];
  bitrate: Point[];
  loss: Point[];
  latency: Point[];
  jitter: Point[];
  frameRate: Point[];
}

/** A pause of more than two samples is a hole: nobody knows what was there. */
const HOLE_MS = 25_000;

export function qualitySeries(samples: readonly QualitySample[]): QualitySeries {
  const ordered = [...samples].sort((one, other) => one.at - other.at);
  const points = (value: (sample: QualitySample) => number | null): Point[] =>
    ordered.flatMap((sample, index) => {
      const point = { at: sample.at, value: value(sample) };
      const before = ordered[index - 1];
      return before !== undefined && sample.at - before.at > HOLE_MS
        ? [{ at: before.at + 1, value: null }, point]
        : [point];
    });
  return {
    grade: points((sample) => GRADE[sample.quality]),
    bitrate: points((sample) => sample.bitrate),
    loss: points((sample) => sample.packetLoss),
    latency: points((sample) => sample.latency),
    jitter: points((sample) => sample.jitter),
    frameRate: points((sample) => sample.frameRate),
  };
}
