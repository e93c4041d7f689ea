import { useCallback, useState } from 'react';
import { account } from '../../account/account';
import { isGoingOn, recordings, type RecordingInfo } from '../../api/recordings';
import { navigate } from '../../app/navigation';
import { inWords } from '../../state/failure';
import { bytes, dateTime } from '../../state/measures';
import { isOver, isPlayable, keptUntil, lengthOf, nextLook } from '../../state/recordings';
import { AccessNote } from '../../ui/AccessNote';
import { Button } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { Link } from '../../ui/Link';
import { PageShell } from '../../ui/PageShell';
import { Switch } from '../../ui/Switch';
import { usePolled } from '../../ui/usePolled';
import { Opening } from '../Opening';
import { Files } from './Files';
import { Player } from './Player';
import { DeleteDialog, StopDialog } from './recordingDialogs';
import { HeldTag, StateTag } from './tags';
import { WholeVideo } from './WholeVideo';
import '../../styles/tables.css';
import '../../styles/recordings.css';

/** One recording: to play as soon as it is over, and to take away. */
export default function Recording({ id }: { id: string }) {
  const [round, setRound] = useState(0);
  const ask = useCallback(
    () => account.ask((token) => recordings.get(id, token)),
    // Asked again at once when something was changed here.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [id, round],
  );
  const asked = usePolled(ask, nextLook);
  return (
    <PageShell
      title={asked.status === 'ready' ? `Recording of ${asked.value.room}` : 'Recording'}
      wide
    >
      <p className="crumb">
        <Link to="/recordings">All recordings</Link>
      </p>
      {asked.status === 'failed' && <AccessNote error={asked.error} />}
      {asked.status === 'waiting' && <Opening text="Looking up the recording…" />}
      {asked.status === 'ready' && (
        <Detail
          recording={asked.value}
          onChanged={() => {
            setRound((before) => before + 1);
          }}
        />
      )}
    </PageShell>
  );
}

interface DetailProps {
  recording: RecordingInfo;
  onChanged: () => void;
}

function Detail({ recording, onChanged }: DetailProps) {
  const facts: [string, string][] = [
    ['Began', dateTime(recording.started_at)],
    ['Length', lengthOf(recording)],
    ['Size', bytes(recording.bytes)],
    ['Kept', keptUntil(recording) ?? 'until somebody deletes it'],
  ];
  const playable = isPlayable(recording);
  const over = isOver(recording);
  return (
    <>
      <header className="page-title" data-testid="recording" data-state={recording.state}>
        <h1>{recording.room}</h1>
        <span className="recording-tags">
          <StateTag recording={recording} />
          {recording.is_held && <HeldTag />}
        </span>
        <Link to={`/sessions/${recording.session}`}>Its session</Link>
      </header>
      {recording.reason !== null && (
        <p className="note" data-testid="recording-reason">
          <Icon name="warning" size={20} />
          <span>
            It ended by itself: {recording.reason}.
            {recording.has_manifest && ' What was recorded until then is here.'}
          </span>
        </p>
      )}
      {playable ? (
        <Player recording={recording} />
      ) : (
        <GoingOn recording={recording} onChanged={onChanged} />
      )}
      {recording.has_manifest && (over || recording.composite.state !== 'none') && (
        <WholeVideo recording={recording} onChanged={onChanged} />
      )}
      <dl className="figures" data-testid="recording-facts">
        {facts.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      {playable && (
        <div className="recording-foot">
          <section className="block" aria-labelledby="files-heading">
            <h2 id="files-heading">Files</h2>
            <Files recording={recording} />
          </section>
          {over && <Keeping recording={recording} onChanged={onChanged} />}
        </div>
      )}
    </>
  );
}

/** It cannot be played yet; this page opens it by itself when it can. */
function GoingOn({ recording, onChanged }: DetailProps) {
  const [stopping, setStopping] = useState(false);
  if (!isGoingOn(recording)) return <Opening text="The files are being finished…" />;
  return (
    <section className="card" data-testid="recording-going-on">
      <h2>The call is still being recorded</h2>
      <p className="empty">It plays here as soon as it is over. You may leave this page open.</p>
      <Button
        icon="stop"
        className="self-start"
        data-testid="recording-stop"
        onClick={() => {
          setStopping(true);
        }}
      >
        Stop recording…
      </Button>
      {stopping && (
        <StopDialog
          recording={recording}
          onStopped={onChanged}
          onClose={() => {
            setStopping(false);
          }}
        />
      )}
    </section>
  );
}

/** How long it stays. */
function Keeping({ recording, onChanged }: DetailProps) {
  const [deleting, setDeleting] = useState(false);
  const [problem, setProblem] = useState<string>();
  const hold = async (held: boolean) => {
    setProblem(undefined);
    try {
      await account.ask((token) => recordings.change(recording.id, { is_held: held }, token));
      onChanged();
    } catch (error) {
      setProblem(inWords(error));
    }
  };
  return (
    <section className="block" aria-labelledby="keeping-heading">
      <h2 id="keeping-heading">Keeping</h2>
      <Switch
        label="Hold"
        hint="Nobody can delete it, and it does not expire."
        checked={recording.is_held}
        testId="recording-hold"
        onChange={(held) => void hold(held)}
      />
      {problem !== undefined && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
      {!recording.is_held && (
        <Button
          icon="trash"
          className="button-warning self-start"
          data-testid="recording-delete"
          onClick={() => {
            setDeleting(true);
          }}
        >
          Delete…
        </Button>
      )}
      {deleting && (
        <DeleteDialog
          recording={recording}
          onDeleted={() => {
            navigate('/recordings', { replace: true });
          }}
          onClose={() => {
            setDeleting(false);
          }}
        />
      )}
    </section>
  );
}
