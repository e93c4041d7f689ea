import { useCallback, useEffect, useRef } from 'react';
import { Avatar } from '../room/Avatar';
import { Icon } from '../ui/Icon';
import type { Recording, Track } from './manifest';
import type { PartProps } from './PlaybackView';
import { gapAt, isNear, presentAt, shownOf, speakerAt, speaksAt } from './timeline';
import type { Sources } from './useAddresses';
import type { Playback } from './usePlayback';

/** A shared screen is the large one, else who speaks; the others stand below. */
export function Pictures({ recording, playback, sources }: PartProps & { sources: Sources }) {
  const { atMs, waiting } = playback;
  const { tracks, speech } = recording;
  const present = presentAt(tracks, atMs);
  const shown = shownOf(present);
  const large = largeOne(shown, speakerAt(speech, atMs));
  return (
    <div className="playback-pictures" aria-busy={waiting}>
      {tracks.map((track) => (
        <figure
          key={track.id}
          hidden={!shown.includes(track)}
          className={track === large ? 'playback-large' : undefined}
          data-testid="playback-picture"
          data-large={track === large}
          data-source={track.source}
          data-speaking={track.source !== 'screen_share' && speaksAt(speech, track.identity, atMs)}
        >
          <Media
            track={track}
            playback={playback}
            sources={sources}
            load={present.includes(track) ? 'all' : isNear(track, atMs) ? 'head' : 'nothing'}
          />
          <InPlaceOfPicture recording={recording} track={track} atMs={atMs} sources={sources} />
          <figcaption>
            {gapAt(track, 'audio', atMs)?.why === 'muted' && (
              <span role="img" aria-label="muted">
                <Icon name="micOff" size={14} />
              </span>
            )}
            {captionOf(recording, track)}
          </figcaption>
        </figure>
      ))}
      {large === undefined && <p className="playback-nobody">Nobody was there at this moment.</p>}
      {waiting && (
        <p className="playback-waiting" role="status">
          <span className="spinner" aria-hidden="true" /> Loading…
        </p>
      )}
    </div>
  );
}

function largeOne(shown: readonly Track[], speaker: string | undefined): Track | undefined {
  return (
    shown.find(({ source }) => source === 'screen_share') ??
    shown.find(({ identity }) => identity === speaker) ??
    shown.find(({ kind }) => kind === 'video') ??
    shown[0]
  );
}

/** Who it is, and why there is no picture of them. */
function InPlaceOfPicture({
  recording,
  track,
  atMs,
  sources,
}: {
  recording: Recording;
  track: Track;
  atMs: number;
  sources: Sources;
}) {
  const gap = gapAt(track, 'video', atMs);
  const broken = sources.isBroken(track.id);
  if (track.kind === 'video' && !broken && gap === undefined) return null;
  const why = broken
    ? 'This browser cannot play this file'
    : track.kind === 'audio'
      ? undefined
      : gap?.why === 'muted'
        ? 'Camera off'
        : 'Picture lost';
  return (
    <div className="playback-instead">
      <Avatar name={nameOf(recording, track)} identity={track.identity} />
      {why !== undefined && <p>{why}</p>}
    </div>
  );
}

interface MediaProps {
  track: Track;
  playback: Playback;
  sources: Sources;
  /** A browser has six connections to a host over HTTP/1.1: who is not shown soon must not hold one. */
  load: 'all' | 'head' | 'nothing';
}

function Media({ track: { id, kind }, playback: { attach, settle }, sources, load }: MediaProps) {
  const own = useRef<HTMLMediaElement>(null);
  const src = load === 'nothing' ? undefined : sources.addressOf(id);
  const loads = src !== undefined;
  useEffect(() => {
    // Without its address alone an element keeps what it has, and its connection.
    if (!loads) own.current?.load();
  }, [loads]);
  const given = {
    src,
    preload: load === 'all' ? 'auto' : 'metadata',
    ref: useCallback(
      (element: HTMLMediaElement | null) => {
        own.current = element;
        attach(id, element);
      },
      [attach, id],
    ),
    // It was sent elsewhere meanwhile, perhaps: while nothing plays nobody else looks.
    onSeeked: settle,
    onLoadedMetadata: () => {
      sources.onLoaded(id);
      settle();
    },
    onError: ({ currentTarget: { error } }: { currentTarget: HTMLMediaElement }) => {
      sources.onStopped(id, error?.code === MEDIA_ERR_DECODE);
    },
  };
  // Captions come with transcription; there is no text of it yet.
  // eslint-disable-next-line jsx-a11y/media-has-caption
  return kind === 'audio' ? <audio {...given} /> : <video {...given} playsInline />;
}

/** Of `MediaError`, which jsdom lacks. An address that is refused is a network error, or no source at all. */
const MEDIA_ERR_DECODE = 3;

function captionOf(recording: Recording, track: Track): string {
  const name = nameOf(recording, track);
  return track.source === 'screen_share' ? `${name}’s screen` : name;
}

function nameOf({ people }: Recording, { identity }: Track): string {
  return people.find((one) => one.identity === identity)?.name ?? identity;
}
