/** How recordings are written, and how soon there is news of one. */
import { ApiError } from '../api/errors';
import { isGoingOn, type RecordingInfo, type RecordingState } from '../api/recordings';
import { dateTime, duration } from './measures';

const STATE: Record<RecordingState, string> = {
  starting: 'Starting',
  active: 'Recording',
  ending: 'Finishing',
  complete: 'Complete',
  failed: 'Failed',
  aborted: 'Given up',
  limit_reached: 'Ended at a limit',
};

/** A newer server may know more states than this page. */
export function stateName(state: RecordingState): string {
  return (STATE as Partial<Record<string, string>>)[state] ?? state;
}

/** Files are being written or finished. */
export function isOver(recording: Pick<RecordingInfo, 'state'>): boolean {
  return !isGoingOn(recording) && recording.state !== 'ending';
}

/** Its tracks are there, whatever is still made of them and wherever they are still brought. */
export function isPlayable(recording: Pick<RecordingInfo, 'state' | 'has_manifest'>): boolean {
  return isOver(recording) || (recording.state === 'ending' && recording.has_manifest);
}

type Times = Pick<RecordingInfo, 'state' | 'started_at' | 'duration_ms'>;

/** One that goes on is as long as it has been going on. */
export function lengthOf(recording: Times, now = Date.now()): string {
  return isGoingOn(recording)
    ? `${duration((now - recording.started_at) / 1000)} until now`
    : duration(recording.duration_ms / 1000);
}

/** How long it stays; `undefined` for as long as nobody deletes it. */
export function keptUntil({
  is_held,
  expires_at,
}: Pick<RecordingInfo, 'is_held' | 'expires_at'>): string | undefined {
  if (is_held) return 'until it is released';
  return expires_at === null ? undefined : `until ${dateTime(expires_at)}`;
}

/** One waits for the end of a recording, and for its video as long as that is made. */
const SOON_MS = 1000;
const LATER_MS = 3000;

type Progress = Pick<RecordingInfo, 'state' | 'composite'>;

/** When to ask about it again, in milliseconds; never where nothing more happens by itself, or it is gone. */
export function nextLook(recording: Progress | undefined, problem?: unknown): number | undefined {
  if (problem instanceof ApiError && problem.status === 404) return undefined;
  if (recording === undefined || !isOver(recording)) return SOON_MS;
  return isComposing(recording) ? SOON_MS : undefined;
}

/** As `nextLook`, for a list that nobody stares at. */
export function nextLookAtAll(list: readonly Progress[] | undefined): number | undefined {
  const calm = list?.every((one) => nextLook(one) === undefined) ?? false;
  return calm ? undefined : LATER_MS;
}

export function isComposing({ composite }: Pick<RecordingInfo, 'composite'>): boolean {
  return composite.state === 'waiting' || composite.state === 'running';
}

/** Also of the whole as one video, wherever the server names it. */
export function fileNames({ files, composite }: Pick<RecordingInfo, 'files' | 'composite'>) {
  const names = files.map(({ name }) => name);
  const whole = composite.file;
  return whole === null || names.includes(whole) ? names : [...names, whole];
}
