import { useCallback, useEffect, useRef, useState } from 'react';
import { follow } from './follow';
import type { Recording } from './manifest';
import {
  isPlaying,
  pause,
  play,
  positionMs,
  seek,
  setSpeed,
  stopped,
  type Playhead,
} from './playhead';

/** Often enough that no two tracks drift apart for long, seldom enough to cost nothing. */
const LOOK_EVERY_MS = 100;
/** So long all wait for a file that is slow to come; then they go on, and it catches up. */
const PATIENCE_MS = 8000;

export interface Playback {
  atMs: number;
  playing: boolean;
  /** It would play, and waits for a file. */
  waiting: boolean;
  speed: number;
  /** Where an element of the page is given its track, and taken from it. */
  attach: (trackId: string, element: HTMLMediaElement | null) => void;
  toggle: () => void;
  /** Stable: what only leads somewhere need not be drawn at each step of the playhead. */
  seekTo: (ms: number) => void;
  setSpeed: (speed: number) => void;
  /** An element has something new to show, and is to go where it belongs. */
  settle: () => void;
}

/** Keeps the media elements of a page where the playhead is, and says where that is. */
export function usePlayback({ tracks, durationMs }: Recording): Playback {
  const head = useRef<Playhead>(stopped(durationMs));
  const elements = useRef(new Map<string, HTMLMediaElement>());
  /** Where it stood at the last look, and since when it stands there for want of a file. */
  const lookedAt = useRef(0);
  const heldSince = useRef<number>(undefined);
  const [shown, setShown] = useState({ atMs: 0, playing: false, waiting: false, speed: 1 });

  const look = useCallback(() => {
    const now = performance.now();
    const playing = isPlaying(head.current, now);
    const missing = tracks.some((track) => {
      const element = elements.current.get(track.id);
      const at = positionMs(head.current, now) - track.fromMs;
      return element !== undefined && at >= 0 && at < track.durationMs && isComing(element);
    });
    if (!playing || !missing) heldSince.current = undefined;
    else heldSince.current ??= now;
    const waiting = heldSince.current !== undefined && now - heldSince.current < PATIENCE_MS;
    if (waiting) head.current = seek(head.current, now, lookedAt.current);
    lookedAt.current = positionMs(head.current, now);

    const where = {
      positionMs: lookedAt.current,
      playing: playing && !waiting,
      speed: head.current.speed,
    };
    for (const track of tracks) {
      const element = elements.current.get(track.id);
      if (element) lead(element, follow(track, where, stateOf(element)));
    }
    setShown({ atMs: where.positionMs, playing, waiting, speed: where.speed });
  }, [tracks]);

  const { playing } = shown;
  useEffect(() => {
    if (!playing) return;
    const timer = window.setInterval(look, LOOK_EVERY_MS);
    return () => {
      window.clearInterval(timer);
    };
  }, [playing, look]);

  const touch = useCallback(
    (how: (head: Playhead, now: number) => Playhead) => {
      const now = performance.now();
      head.current = how(head.current, now);
      lookedAt.current = positionMs(head.current, now);
      look();
    },
    [look],
  );
  return {
    ...shown,
    attach: useCallback((trackId, element) => {
      if (element) elements.current.set(trackId, element);
      else elements.current.delete(trackId);
    }, []),
    toggle: () => {
      touch((head, now) => (isPlaying(head, now) ? pause(head, now) : play(head, now)));
    },
    seekTo: useCallback(
      (ms) => {
        touch((head, now) => seek(head, now, ms));
      },
      [touch],
    ),
    setSpeed: (speed) => {
      touch((head, now) => setSpeed(head, now, speed));
    },
    settle: look,
  };
}

/**
 * It has nothing to show yet, and will have: it is on its way to where it was sent, be it from data that is long here, or
 * its data is on the way. Not at its end, and not given up.
 */
function isComing(element: HTMLMediaElement): boolean {
  if (element.error) return false;
  if (element.seeking) return true;
  return (
    element.readyState < HTMLMediaElement.HAVE_FUTURE_DATA &&
    element.networkState === HTMLMediaElement.NETWORK_LOADING &&
    !element.ended
  );
}

function stateOf(element: HTMLMediaElement) {
  return { positionMs: element.currentTime * 1000, seeking: element.seeking };
}

function lead(element: HTMLMediaElement, order: ReturnType<typeof follow>): void {
  if (element.playbackRate !== order.rate) element.playbackRate = order.rate;
  // A file may be a moment shorter than the manifest has it: at its end it stays, and does not begin anew.
  const atEnd = element.ended && !(order.seekTo !== undefined && order.seekTo < element.duration);
  if (atEnd) return;
  if (order.seekTo !== undefined) element.currentTime = order.seekTo;
  if (order.play && element.paused) {
    // A browser may want a click on the page first; the next look asks again.
    element.play().catch(() => undefined);
  } else if (!order.play && !element.paused) element.pause();
}
