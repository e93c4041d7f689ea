/** What a media element has to do to be where the playhead is. Pure; `usePlayback` does it. */
import type { Track } from './manifest';

/** Below this nobody sees lips and voice apart (EBU R37: sound 40 ms early to 60 ms late). */
export const IN_STEP_MS = 40;
/** Above this, going faster takes longer than anybody waits. */
const TOO_FAR_MS = 500;
/**
 * How much faster one that is behind goes: as many parts of its speed as it is seconds behind, so that it is there in two
 * or three seconds. At least so much that it arrives, which nobody hears with the pitch kept; at most so much that people
 * still understand what is said. With the least alone two files that began 400 ms apart, as on a busy machine, needed
 * seven seconds, and a short recording was over before they met.
 */
const NUDGE_PER_S = 1;
const LEAST_NUDGE = 0.05;
const MOST_NUDGE = 0.25;

export interface Order {
  /** Outside of its time a track is silent and not shown. */
  present: boolean;
  play: boolean;
  rate: number;
  /** Where in its own file it goes, in seconds; left out while it is near enough. */
  seekTo?: number;
}

/** `elementMs`: where the element stands in its own file; `seeking`: it is still on its way from the last order. */
export function follow(
  track: Pick<Track, 'fromMs' | 'durationMs'>,
  head: { positionMs: number; playing: boolean; speed: number },
  element: { positionMs: number; seeking: boolean },
): Order {
  const wanted = head.positionMs - track.fromMs;
  const present = wanted >= 0 && wanted < track.durationMs;
  if (!present) return { present, play: false, rate: head.speed };
  const behind = wanted - element.positionMs;
  const order = { present, play: head.playing, rate: head.speed };
  // An order on top of one that is not carried out yet would never let it arrive.
  if (element.seeking) return order;
  const near = head.playing ? TOO_FAR_MS : IN_STEP_MS;
  if (Math.abs(behind) > near) return { ...order, seekTo: wanted / 1000 };
  if (!head.playing || Math.abs(behind) <= IN_STEP_MS) return order;
  const nudge = Math.min(
    MOST_NUDGE,
    Math.max(LEAST_NUDGE, (Math.abs(behind) / 1000) * NUDGE_PER_S),
  );
  return { ...order, rate: head.speed * (1 + Math.sign(behind) * nudge) };
}
