import { useEffect, useRef } from 'react';
import { inWords } from '../state/failure';
import { preferences } from '../state/preferences';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { playerKey } from './keys';
import type { Recording } from './manifest';
import { Pictures } from './Pictures';
import { SPEEDS } from './playhead';
import { SpeakerTimeline } from './SpeakerTimeline';
import { Transport } from './Transport';
import type { Sources } from './useAddresses';
import { usePlayback, type Playback } from './usePlayback';
import { Written } from './Written';
import '../styles/playback.css';

export interface PartProps {
  recording: Recording;
  playback: Playback;
}

/** A recording as it was: all tracks in step, who spoke when, and what was written by then. */
export function PlaybackView({ recording, sources }: { recording: Recording; sources: Sources }) {
  const playback = usePlayback(recording);
  usePlayerKeys(recording, playback);
  const parts = { recording, playback };
  return (
    <div className="playback" data-chat={recording.chat.length > 0} data-testid="playback">
      <div className="playback-stage">
        <Pictures {...parts} sources={sources} />
        <Transport {...parts} />
        {sources.problem !== undefined && (
          <p className="note note-problem" role="alert">
            <Icon name="warning" size={20} />
            <span>The recording stopped. {inWords(sources.problem)}</span>
            <Button look="quiet" onClick={sources.retry}>
              Go on
            </Button>
          </p>
        )}
      </div>
      <Written {...parts} />
      <SpeakerTimeline {...parts} />
    </div>
  );
}

/** Keys anywhere on the page, except in a field and over an open dialog. */
function usePlayerKeys({ durationMs }: Recording, playback: Playback): void {
  const latest = useRef(playback);
  useEffect(() => {
    latest.current = playback;
  });
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || document.querySelector('dialog[open]')) return;
      const action = playerKey(event, preferences.get().shortcuts);
      if (action === undefined) return;
      // The space bar would scroll.
      event.preventDefault();
      const { toggle, seekTo, setSpeed, atMs, speed } = latest.current;
      switch (action.type) {
        case 'toggle':
          return toggle();
        case 'jump':
          return seekTo(atMs + action.byMs);
        case 'go':
          return seekTo(action.to * durationMs);
        case 'speed':
          return setSpeed(nextSpeed(speed, action.by));
      }
    };
    document.addEventListener('keydown', onKeyDown);
    return () => {
      document.removeEventListener('keydown', onKeyDown);
    };
  }, [durationMs]);
}

function nextSpeed(speed: number, by: number): number {
  return SPEEDS[SPEEDS.findIndex((one) => one === speed) + by] ?? speed;
}
