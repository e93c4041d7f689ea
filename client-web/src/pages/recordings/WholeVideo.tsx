import { useCallback, useRef, useState } from 'react';
import { account } from '../../account/account';
import { recordings, type Layout, type RecordingInfo } from '../../api/recordings';
import { toldAnew } from '../../playback/addresses';
import { inWords } from '../../state/failure';
import { share } from '../../state/measures';
import { isComposing, isOver } from '../../state/recordings';
import { AccessNote } from '../../ui/AccessNote';
import { Button } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { Select } from '../../ui/Select';
import { useLoad } from '../../ui/useLoad';

const LAYOUTS: readonly { id: Layout; label: string }[] = [
  { id: 'grid', label: 'Everybody in a grid' },
  { id: 'speaker', label: 'Who speaks large, the others small' },
  { id: 'single-speaker', label: 'Only who speaks' },
];

interface WholeVideoProps {
  recording: RecordingInfo;
  onChanged: () => void;
}

/** All of it as one video, for those who want to send it on: made when somebody asks for it. */
export function WholeVideo({ recording, onChanged }: WholeVideoProps) {
  const { composite } = recording;
  return (
    <section
      className="block"
      aria-labelledby="whole-heading"
      data-testid="composite"
      data-state={composite.state}
    >
      <h2 id="whole-heading">One video</h2>
      {isComposing(recording) && <Progress composite={composite} />}
      {composite.file !== null && (
        <Watch key={composite.file} id={recording.id} file={composite.file} />
      )}
      {composite.state === 'failed' && (
        <p className="note note-problem" role="status">
          <Icon name="warning" size={20} />
          <span>
            The video could not be made{composite.reason === null ? '' : `: ${composite.reason}`}.
          </span>
        </p>
      )}
      {isOver(recording) && !isComposing(recording) && (
        <Order id={recording.id} again={composite.state !== 'none'} onChanged={onChanged} />
      )}
    </section>
  );
}

function Progress({ composite: { state, progress } }: Pick<RecordingInfo, 'composite'>) {
  if (state === 'waiting') {
    return (
      <p className="empty" role="status">
        The video waits for its turn.
      </p>
    );
  }
  return (
    <div className="whole-progress">
      <label htmlFor="whole-progress">
        Making the video: {share(Math.floor(progress * 100) / 100)}
      </label>
      <progress id="whole-progress" max={1} value={progress} data-testid="composite-progress" />
      <p className="field-hint">You may close this page: it goes on without you.</p>
    </div>
  );
}

function Order({ id, again, onChanged }: { id: string; again: boolean; onChanged: () => void }) {
  const [layout, setLayout] = useState<Layout>('grid');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const order = async () => {
    setBusy(true);
    setProblem(undefined);
    try {
      await account.ask((token) => recordings.compose(id, layout, token));
      onChanged();
    } catch (error) {
      setProblem(inWords(error));
    }
    setBusy(false);
  };
  return (
    <>
      {!again && (
        <p className="empty">
          What you see above needs this page. One video of all together plays anywhere; making it
          takes about as long as the recording.
        </p>
      )}
      <div className="toolbar">
        <div className="whole-layout">
          <Select
            label="Layout"
            icon="grid"
            empty=""
            options={LAYOUTS}
            value={layout}
            onChange={(chosen) => {
              setLayout(LAYOUTS.find((one) => one.id === chosen)?.id ?? 'grid');
            }}
          />
        </div>
        <Button busy={busy} onClick={() => void order()} data-testid="composite-order">
          {again ? 'Make it anew' : 'Make one video'}
        </Button>
      </div>
      {problem !== undefined && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
    </>
  );
}

/** With the browser's own controls; an address that has ended is asked for anew, and it goes on at its place. */
function Watch({ id, file }: { id: string; file: string }) {
  const inUse = useRef<string>(undefined);
  const ask = useCallback(async () => {
    const { files } = await account.ask((token) => recordings.addresses(id, token));
    const url = files.find(({ name }) => name === file)?.url;
    inUse.current = url === undefined ? undefined : toldAnew(url, inUse.current);
    return inUse.current;
  }, [id, file]);
  const [loaded, again] = useLoad(ask);
  /** Where it was when it last played, and whether it did. */
  const place = useRef({ at: 0, played: false });
  const [course, setCourse] = useState<'fine' | 'asked' | 'back' | 'stopped'>('fine');
  if (loaded.status === 'failed') return <AccessNote error={loaded.error} />;
  const url = loaded.status === 'ready' ? loaded.value : undefined;
  return (
    <>
      {/* Captions come with transcription; there is no text of it yet. */}
      {/* eslint-disable-next-line jsx-a11y/media-has-caption */}
      <video
        className="whole-video"
        aria-label="The recording as one video"
        src={url}
        controls
        preload="metadata"
        playsInline
        data-testid="composite-video"
        onLoadedMetadata={({ currentTarget }) => {
          if (course === 'fine') return;
          const { at, played } = place.current;
          currentTarget.currentTime = at;
          // A browser may want a click first; its own controls take it.
          if (played) currentTarget.play().catch(() => undefined);
          setCourse('back');
        }}
        onTimeUpdate={({ currentTarget: { currentTime } }) => {
          // What is being loaded anew stands at 0, which is no place of anybody.
          if (course === 'asked' || course === 'stopped') return;
          if (course === 'back' && Math.abs(currentTime - place.current.at) < SAME_PLACE_S) return;
          place.current.at = currentTime;
          setCourse('fine');
        }}
        onError={({ currentTarget }) => {
          if (url === undefined) return;
          // Twice at one place is not the address.
          if (course !== 'fine') {
            setCourse('stopped');
            return;
          }
          place.current.played = !currentTarget.paused;
          setCourse('asked');
          again();
        }}
      />
      {course === 'stopped' && (
        <p className="note note-problem" role="alert">
          <Icon name="warning" size={20} />
          <span>The video stopped: this browser cannot load it, or cannot play it.</span>
          <Button
            look="quiet"
            onClick={() => {
              setCourse('asked');
              again();
            }}
          >
            Try again
          </Button>
        </p>
      )}
    </>
  );
}

/** A browser goes to a frame near the place it was told, in seconds. */
const SAME_PLACE_S = 0.25;
