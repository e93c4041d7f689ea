/**
 * What a recording consists of, on one clock: all times are milliseconds since its beginning. Read once, where it
 * arrives, from the `manifest.json` that the recorder writes beside its files (`sfu/recorder/manifest.schema.json`),
 * so that nothing behind this has to doubt it; what is not understood is left out.
 */

export interface Recording {
  room: string;
  /** Unix milliseconds. */
  startedAt: number;
  durationMs: number;
  people: readonly Person[];
  tracks: readonly Track[];
  /** Who spoke when, in order. */
  speech: readonly Speech[];
  chat: readonly ChatLine[];
}

export interface Person {
  identity: string;
  name: string;
}

/** One file: a track of somebody, or the sound and the pictures of somebody together. */
export interface Track {
  /** The file's name. */
  id: string;
  identity: string;
  /** Whether there is something to see. */
  kind: 'audio' | 'video';
  /** Such as `camera` or `screen_share`. */
  source: string;
  fromMs: number;
  durationMs: number;
  /** Where something is missing of it, in order. */
  gaps: readonly Gap[];
}

export interface Gap {
  /** Of what: a file may have sound where it has no picture. */
  kind: 'audio' | 'video';
  fromMs: number;
  toMs: number;
  /** Wished for, as is that nothing was published for a while; or a defect. */
  why: 'muted' | 'unpublished' | 'lost';
}

export interface Speech {
  identity: string;
  fromMs: number;
  toMs: number;
}

export interface ChatLine {
  atMs: number;
  name: string;
  text: string;
}

/** What this reads; a newer version means something else by the same words. */
const VERSION = 1;

/** A manifest as it came; `undefined` where it is none. */
export function readManifest(json: unknown): Recording | undefined {
  const said = record(json);
  const startedAt = Date.parse(text(said.started_at));
  if (said.version !== VERSION || Number.isNaN(startedAt)) return undefined;
  const names = readNames(list(said.participants));
  const tracks = inOneFile(list(said.tracks).flatMap(readTrack));
  const ends = tracks.map(endOf);
  const ended = Date.parse(text(said.ended_at)) - startedAt;
  return {
    room: text(record(said.room).name),
    startedAt,
    // One that goes on, or was cut off, lasts as long as what there is of it.
    durationMs: ends.reduce((a, b) => Math.max(a, b), ended > 0 ? ended : 0),
    people: [...names].map(([identity, name]) => ({ identity, name })),
    tracks,
    speech: list(said.speakers)
      .flatMap((one): Speech[] => {
        const span = readSpan(one);
        return span === undefined ? [] : [{ identity: text(one.participant), ...span }];
      })
      .sort(byBegin),
    chat: list(said.chat)
      .flatMap((one): ChatLine[] => {
        const atMs = time(one.at_us);
        const who = text(one.participant);
        return atMs === undefined
          ? []
          : [{ atMs, name: names.get(who) ?? who, text: text(one.text) }];
      })
      .sort((one, other) => one.atMs - other.atMs),
  };
}

/** By identity. Who came again is listed for each time, and is the same person under the last name they gave. */
function readNames(participants: readonly Said[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const one of participants) {
    const identity = text(one.identity);
    if (identity !== '') names.set(identity, text(one.name) || (names.get(identity) ?? identity));
  }
  return names;
}

function readTrack(one: Said): Track[] {
  const file = text(one.file);
  const [fromMs, durationMs] = [time(one.offset_us), time(one.duration_us)];
  const kind = one.kind;
  // A name, and no way to somewhere else.
  if (!/^[\w-][\w.-]*$/.test(file) || fromMs === undefined || durationMs === undefined) return [];
  if (kind !== 'audio' && kind !== 'video') return [];
  const gaps = list(one.gaps).flatMap((gap): Gap[] => {
    const span = readSpan(gap);
    return span === undefined ? [] : [{ kind, ...span, why: readReason(gap.reason, span) }];
  });
  const source = text(one.source).toLowerCase();
  return [{ id: file, identity: text(one.participant), kind, source, fromMs, durationMs, gaps }];
}

/** A publisher is back sooner than this, or had stopped; manifests of before had one word for both. */
const RESTART_MS = 10_000;

function readReason(reason: unknown, { fromMs, toMs }: Omit<Gap, 'kind' | 'why'>): Gap['why'] {
  if (reason === 'muted' || reason === 'unpublished') return reason;
  return reason === 'restarted' && toMs - fromMs > RESTART_MS ? 'unpublished' : 'lost';
}

function readSpan(one: Said): { fromMs: number; toMs: number } | undefined {
  const [fromMs, toMs] = [time(one.from_us), time(one.to_us)];
  return fromMs === undefined || toMs === undefined || fromMs >= toMs
    ? undefined
    : { fromMs, toMs };
}

function byBegin(one: { fromMs: number }, other: { fromMs: number }): number {
  return one.fromMs - other.fromMs;
}

/**
 * Several tracks in one file are played by one element, which shows the pictures among them. Where one of them has
 * ended before the file does, somebody turned their camera or microphone off and did not turn it on again.
 */
function inOneFile(tracks: readonly Track[]): Track[] {
  const files = new Map<string, Track[]>();
  for (const track of tracks) files.set(track.id, [...(files.get(track.id) ?? []), track]);
  return [...files.values()].flatMap((parts): Track[] => {
    const shown = parts.find(({ kind }) => kind === 'video') ?? parts[0];
    if (!shown) return [];
    const fromMs = Math.min(...parts.map((part) => part.fromMs));
    const toMs = Math.max(...parts.map(endOf));
    const both = new Set(parts.map(({ kind }) => kind)).size > 1;
    const gaps = [...parts.flatMap((part) => part.gaps), ...missingIn(parts, fromMs, toMs)].map(
      // Who is heard is there, with the camera off.
      (gap): Gap => (both && gap.why === 'unpublished' ? { ...gap, why: 'muted' } : gap),
    );
    return [{ ...shown, fromMs, durationMs: toMs - fromMs, gaps: gaps.sort(byBegin) }];
  });
}

/** Tracks of one file begin and end a few frames apart, which nobody meant. */
const TOGETHER_MS = 500;

/** Where a file has nothing of a kind that it has elsewhere. */
function missingIn(parts: readonly Track[], fromMs: number, toMs: number): Gap[] {
  return (['audio', 'video'] as const).flatMap((kind) => {
    const own = parts.filter((part) => part.kind === kind).sort(byBegin);
    if (own.length === 0) return [];
    const gaps: Gap[] = [];
    let reachedMs = fromMs;
    for (const next of [
      ...own.map((part) => [part.fromMs, endOf(part)] as const),
      [toMs, toMs] as const,
    ]) {
      if (next[0] - reachedMs > TOGETHER_MS) {
        gaps.push({ kind, fromMs: reachedMs, toMs: next[0], why: 'muted' });
      }
      reachedMs = Math.max(reachedMs, next[1]);
    }
    return gaps;
  });
}

function endOf({ fromMs, durationMs }: Track): number {
  return fromMs + durationMs;
}

type Said = Record<string, unknown>;

function record(value: unknown): Said {
  return typeof value === 'object' && value !== null ? (value as Said) : {};
}

function list(value: unknown): Said[] {
  return Array.isArray(value) ? value.map(record) : [];
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

/** Microseconds of the manifest as milliseconds. */
function time(value: unknown): number | undefined {
  const isTime = typeof value === 'number' && Number.isFinite(value) && value >= 0;
  return isTime ? value / 1000 : undefined;
}
