/**
 * Where a recording stands. Pure: it has no clock of its own and is told the time, in milliseconds of one that never
 * goes back (`performance.now()`), so that all tracks follow one hand and none of them leads.
 */

export interface Playhead {
  /** Where it stood when it was last touched, and when that was. */
  readonly atMs: number;
  readonly touchedMs: number;
  /** Recorded time in real time while it plays. */
  readonly speed: number;
  readonly playing: boolean;
  readonly durationMs: number;
}

export const SPEEDS = [0.75, 1, 1.25, 1.5, 2] as const;

export function stopped(durationMs: number): Playhead {
  return { atMs: 0, touchedMs: 0, speed: 1, playing: false, durationMs };
}

export function positionMs(head: Playhead, nowMs: number): number {
  const moved = head.playing ? (nowMs - head.touchedMs) * head.speed : 0;
  return Math.min(head.durationMs, Math.max(0, head.atMs + moved));
}

/** At its end it stands still, whether somebody stopped it or not. */
export function isPlaying(head: Playhead, nowMs: number): boolean {
  return head.playing && positionMs(head, nowMs) < head.durationMs;
}

/** From its end it begins anew. */
export function play(head: Playhead, nowMs: number): Playhead {
  const at = positionMs(head, nowMs);
  return touch(head, nowMs, { atMs: at >= head.durationMs ? 0 : at, playing: true });
}

export function pause(head: Playhead, nowMs: number): Playhead {
  return touch(head, nowMs, { playing: false });
}

export function seek(head: Playhead, nowMs: number, atMs: number): Playhead {
  return touch(head, nowMs, { atMs: Math.min(head.durationMs, Math.max(0, atMs)) });
}

export function setSpeed(head: Playhead, nowMs: number, speed: number): Playhead {
  return touch(head, nowMs, { speed });
}

function touch(head: Playhead, nowMs: number, change: Partial<Playhead>): Playhead {
  return { ...head, atMs: positionMs(head, nowMs), touchedMs: nowMs, ...change };
}
