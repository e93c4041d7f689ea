import { memo, useMemo, useState, type CSSProperties, type KeyboardEvent } from 'react';
import { formatElapsed } from '../state/elapsed';
import type { PartProps } from './PlaybackView';
import { lanes, type Bar, type Lane } from './timeline';

/** A lane for each who was there; a bar leads to where somebody begins to speak. */
export function SpeakerTimeline({ recording, playback: { atMs, seekTo } }: PartProps) {
  const { people, tracks, speech, durationMs } = recording;
  const all = useMemo(
    () => lanes(people, tracks, speech, durationMs),
    [people, tracks, speech, durationMs],
  );
  if (all.length === 0) return null;
  const anyMuted = all.some(({ muted }) => muted.length > 0);
  const anyLost = all.some(({ lost }) => lost.length > 0);
  return (
    <section className="playback-speech" aria-labelledby="speech-heading">
      <header>
        <h2 id="speech-heading">Who spoke when</h2>
        {/* What the strips mean; each lane says it in words as well. */}
        <p className="playback-legend" aria-hidden="true">
          {anyMuted && <span className="playback-key playback-muted">muted</span>}
          {anyLost && <span className="playback-key playback-lost">lost</span>}
        </p>
      </header>
      <ul style={{ '--at': durationMs === 0 ? 0 : atMs / durationMs } as CSSProperties}>
        {all.map((lane) => (
          <LaneRow key={lane.person.identity} lane={lane} durationMs={durationMs} seekTo={seekTo} />
        ))}
      </ul>
    </section>
  );
}

interface LaneRowProps {
  lane: Lane;
  durationMs: number;
  seekTo: (ms: number) => void;
}

/** Knows nothing of the playhead, which moves ten times a second; one stop of the tab key, arrows go along it. */
const LaneRow = memo(function LaneRow({ lane, durationMs, seekTo }: LaneRowProps) {
  const [stop, setStop] = useState(0);
  const onKeyDown = (event: KeyboardEvent<HTMLButtonElement>) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const to = nextStop(event.key, stop, lane.bars.length);
    if (to === undefined) return;
    // Not for the player as well.
    event.preventDefault();
    const bar = event.currentTarget.parentElement?.querySelectorAll('button')[to];
    bar?.focus();
  };
  return (
    <li data-testid="playback-lane">
      <span className="playback-who">
        {lane.person.name}
        <span className="field-hint"> {formatElapsed(lane.spokeMs)}</span>
      </span>
      <span className="playback-lane">
        <Strips bars={lane.present} look="playback-present" />
        <Strips bars={lane.muted} look="playback-muted" />
        <Strips bars={lane.lost} look="playback-lost" />
        {lane.bars.map(({ from, to }, index) => (
          <button
            key={from}
            type="button"
            tabIndex={index === stop ? 0 : -1}
            style={{ '--from': from, '--to': to } as CSSProperties}
            aria-label={`${lane.person.name} at ${formatElapsed(from * durationMs)}`}
            onFocus={() => {
              setStop(index);
            }}
            onKeyDown={onKeyDown}
            onClick={() => {
              seekTo(from * durationMs);
            }}
          />
        ))}
      </span>
      <Missing lane={lane} durationMs={durationMs} />
    </li>
  );
});

/** Where a key leads along a lane; at its ends it stays. */
function nextStop(key: string, stop: number, count: number): number | undefined {
  switch (key) {
    case 'ArrowRight':
      return Math.min(count - 1, stop + 1);
    case 'ArrowLeft':
      return Math.max(0, stop - 1);
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return undefined;
  }
}

function Strips({ bars, look }: { bars: readonly Bar[]; look: string }) {
  return bars.map(({ from, to }) => (
    <span
      key={from}
      className={`playback-strip ${look}`}
      style={{ '--from': from, '--to': to } as CSSProperties}
    />
  ));
}

/** The strips, for who does not see them. */
function Missing({ lane: { muted, lost }, durationMs }: { lane: Lane; durationMs: number }) {
  const spans = (bars: readonly Bar[]) =>
    bars
      .map(
        ({ from, to }) =>
          `${formatElapsed(from * durationMs)} to ${formatElapsed(to * durationMs)}`,
      )
      .join(', ');
  const words = [
    muted.length > 0 && `Muted ${spans(muted)}.`,
    lost.length > 0 && `Lost ${spans(lost)}.`,
  ].filter(Boolean);
  return words.length > 0 && <span className="visually-hidden">{words.join(' ')}</span>;
}
