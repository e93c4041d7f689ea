import { formatElapsed } from '../state/elapsed';
import { IconButton } from '../ui/IconButton';
import { Select } from '../ui/Select';
import type { PartProps } from './PlaybackView';
import { SPEEDS } from './playhead';

/** A press on an arrow key goes so far. */
const STEP_MS = 1000;
const JUMP_MS = 10_000;

export function Transport({ recording: { durationMs }, playback }: PartProps) {
  const { atMs, playing, speed, toggle, seekTo } = playback;
  return (
    <div className="playback-transport" role="group" aria-label="Playback">
      <IconButton
        icon={playing ? 'pause' : 'play'}
        tone="active"
        label={playing ? 'Pause' : 'Play'}
        shortcut="Space"
        onClick={toggle}
        data-testid="playback-toggle"
      />
      <IconButton
        icon="back"
        label="Back 10 seconds"
        shortcut="J"
        onClick={() => {
          seekTo(atMs - JUMP_MS);
        }}
      />
      <IconButton
        icon="ahead"
        label="On 10 seconds"
        shortcut="L"
        onClick={() => {
          seekTo(atMs + JUMP_MS);
        }}
      />
      <span className="playback-time" data-testid="playback-time">
        {formatElapsed(atMs)} / {formatElapsed(durationMs)}
      </span>
      <input
        type="range"
        aria-label="Position"
        aria-valuetext={`${formatElapsed(atMs)} of ${formatElapsed(durationMs)}`}
        min={0}
        // The last step goes to the end, wherever that is.
        max={Math.ceil(durationMs / STEP_MS) * STEP_MS}
        step={STEP_MS}
        value={atMs}
        data-testid="playback-position"
        onChange={(event) => {
          seekTo(event.target.valueAsNumber);
        }}
      />
      <Select
        label="Speed"
        icon="wait"
        empty=""
        options={SPEEDS.map((one) => ({ id: String(one), label: `${String(one)} ×` }))}
        value={String(speed)}
        onChange={(chosen) => {
          playback.setSpeed(Number(chosen));
        }}
      />
    </div>
  );
}
