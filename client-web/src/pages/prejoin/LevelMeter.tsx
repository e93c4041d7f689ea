import { useEffect, useRef } from 'react';
import type { LocalAudioTrack } from 'livekit-client';
import { watchLevel } from '../../media/micLevel';

/** "It hears me." The level goes straight into a CSS variable: thirty renders a second are for nobody. */
export function LevelMeter({ track }: { track: LocalAudioTrack }) {
  const ref = useRef<HTMLDivElement>(null);
  useEffect(
    () =>
      watchLevel(track, (level) => {
        ref.current?.style.setProperty('--level', level.toFixed(3));
        ref.current?.setAttribute('aria-valuenow', String(Math.round(level * 100)));
      }),
    [track],
  );
  return (
    <div
      ref={ref}
      className="level"
      role="meter"
      aria-label="Microphone level"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={0}
      data-testid="prejoin-level"
    >
      <span />
      <span />
      <span />
      <span />
      <span />
    </div>
  );
}
