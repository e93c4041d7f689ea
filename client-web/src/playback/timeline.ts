/** Who was there and spoke when, what is missing, and what was written by then. */
import type { ChatLine, Gap, Person, Speech, Track } from './manifest';

/** A time along the whole, in parts of 1. */
export interface Bar {
  from: number;
  to: number;
}

/** What there is of somebody. */
export interface Lane {
  person: Person;
  /** When something of them was recorded. */
  present: readonly Bar[];
  bars: readonly Bar[];
  /** When their microphone was off. */
  muted: readonly Bar[];
  /** When sound or picture was lost on the way. */
  lost: readonly Bar[];
  /** Milliseconds. */
  spokeMs: number;
}

interface Span {
  fromMs: number;
  toMs: number;
}

/** A breath is no pause: bars that are nearer than this are one. */
const BREATH_MS = 800;

/** A lane for everybody of whom there is something, who spoke most first. */
export function lanes(
  people: readonly Person[],
  tracks: readonly Track[],
  speech: readonly Speech[],
  durationMs: number,
): Lane[] {
  if (durationMs <= 0) return [];
  const along = (spans: readonly Span[], nearMs = 0): Bar[] =>
    joined(spans, nearMs).map(({ fromMs, toMs }) => ({
      from: Math.min(1, fromMs / durationMs),
      to: Math.min(1, toMs / durationMs),
    }));
  return people
    .map((person): Lane => {
      const said = speech.filter(({ identity }) => identity === person.identity);
      const own = tracks.filter(({ identity }) => identity === person.identity);
      const gaps = own.flatMap((track) => track.gaps);
      return {
        person,
        present: along(
          own.map(({ fromMs, durationMs: lasts }) => ({ fromMs, toMs: fromMs + lasts })),
        ),
        bars: along(said, BREATH_MS),
        muted: along(gaps.filter(({ kind, why }) => why === 'muted' && kind === 'audio')),
        lost: along(gaps.filter(({ why }) => why === 'lost')),
        spokeMs: joined(said, 0).reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0),
      };
    })
    .filter(({ bars, present }) => bars.length > 0 || present.length > 0)
    .sort((one, other) => other.spokeMs - one.spokeMs);
}

/** In order, with those that are as near as that put together. */
function joined(spans: readonly Span[], nearMs: number): Span[] {
  const whole: Span[] = [];
  for (const { fromMs, toMs } of [...spans].sort((one, other) => one.fromMs - other.fromMs)) {
    const last = whole.at(-1);
    if (last && fromMs - last.toMs <= nearMs) last.toMs = Math.max(last.toMs, toMs);
    else whole.push({ fromMs, toMs });
  }
  return whole;
}

/** What is missing of a track at a moment: its picture, or its sound. */
export function gapAt(track: Track, kind: Gap['kind'], atMs: number): Gap | undefined {
  // What is shown beyond its ends is as it is there.
  const last = track.fromMs + track.durationMs - 1;
  const at = Math.min(last, Math.max(track.fromMs, atMs));
  return track.gaps.find((gap) => gap.kind === kind && gap.fromMs <= at && at < gap.toMs);
}

/** A recording begins a moment before its first picture, and ends one after the last. */
const EDGE_MS = 1500;

/** What there is at a moment; around the ends and in short holes between, what is near. */
export function presentAt(tracks: readonly Track[], atMs: number): Track[] {
  const published = tracks.filter((track) => gapAt(track, track.kind, atMs)?.why !== 'unpublished');
  const here = published.filter((track) => awayMs(track, atMs) === 0);
  return here.length > 0 ? here : published.filter((track) => awayMs(track, atMs) <= EDGE_MS);
}

/**
 * Which of those present have a place of their own. Not a sound beside its picture, nor a picture of which the next file
 * has begun: the last sound of one may reach into the next.
 */
export function shownOf(present: readonly Track[]): Track[] {
  const stands = (other: Track, { id, identity, kind, source, fromMs }: Track) =>
    other.id !== id &&
    other.identity === identity &&
    other.kind === 'video' &&
    (kind === 'audio' || (other.source === source && other.fromMs > fromMs));
  return present.filter((track) => !present.some((other) => stands(other, track)));
}

/** Long enough before its time for a file to open, also at double speed. */
const NEAR_MS = 10_000;

/** It is there at a moment, or soon before or after. */
export function isNear(track: Track, atMs: number): boolean {
  return awayMs(track, atMs) <= NEAR_MS;
}

function awayMs({ fromMs, durationMs }: Track, atMs: number): number {
  return Math.max(fromMs - atMs, atMs - (fromMs + durationMs) + 1, 0);
}

/** Speaks at a moment, and not only last. */
export function speaksAt(speech: readonly Speech[], identity: string, atMs: number): boolean {
  return speech.some((one) => one.identity === identity && one.fromMs <= atMs && atMs < one.toMs);
}

/** Whose picture is the large one: who began to speak last, and stays so in a silence. */
export function speakerAt(speech: readonly Speech[], atMs: number): string | undefined {
  return speech.findLast(({ fromMs }) => fromMs <= atMs)?.identity;
}

/** How many lines had been written by then: those are the ones to read. */
export function linesUntil(chat: readonly ChatLine[], atMs: number): number {
  const next = chat.findIndex((line) => line.atMs > atMs);
  return next === -1 ? chat.length : next;
}
