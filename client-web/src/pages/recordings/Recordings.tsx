import { useState } from 'react';
import { account } from '../../account/account';
import { isGoingOn, recordings, type RecordingInfo } from '../../api/recordings';
import { navigate } from '../../app/navigation';
import { inWords } from '../../state/failure';
import { bytes, dateTime } from '../../state/measures';
import { isOver, isPlayable, keptUntil, lengthOf } from '../../state/recordings';
import { AccessNote } from '../../ui/AccessNote';
import { Button } from '../../ui/Button';
import { Icon } from '../../ui/Icon';
import { Link } from '../../ui/Link';
import { Menu, type MenuItem } from '../../ui/Menu';
import { PageShell } from '../../ui/PageShell';
import { Table, type Column } from '../../ui/Table';
import { Opening } from '../Opening';
import { RoomFilter } from '../RoomFilter';
import { DeleteDialog, FilesDialog, StopDialog } from './recordingDialogs';
import { HeldTag, StateTag } from './tags';
import { useRecordingList } from './useRecordingList';
import '../../styles/tables.css';
import '../../styles/recordings.css';

/** What was recorded, and what is being recorded. */
export default function Recordings() {
  const [room, setRoom] = useState('');
  return (
    <PageShell title="Recordings" wide>
      <header className="page-title">
        <h1>Recordings</h1>
        <RoomFilter onRoom={setRoom} />
      </header>
      <RecordingTable key={room} room={room} />
    </PageShell>
  );
}

interface Question {
  type: 'delete' | 'files' | 'stop';
  recording: RecordingInfo;
}

function RecordingTable({ room }: { room: string }) {
  const { newest, known, more, showOlder, put, drop } = useRecordingList(room);
  const [question, setQuestion] = useState<Question>();
  const [problem, setProblem] = useState<string>();
  if (newest.status === 'failed') return <AccessNote error={newest.error} />;
  if (newest.status === 'waiting') return <Opening text="Looking up recordings…" />;

  const tell = (error: unknown) => {
    setProblem(inWords(error));
  };
  const hold = (recording: RecordingInfo) => {
    setProblem(undefined);
    account
      .ask((token) => recordings.change(recording.id, { is_held: !recording.is_held }, token))
      .then(put, tell);
  };
  const close = () => {
    setQuestion(undefined);
  };
  return (
    <>
      {problem !== undefined && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
      {known.length === 0 ? (
        <p className="empty" data-testid="recordings-empty">
          No recordings yet. In a call, a host begins one under “Host controls”.
        </p>
      ) : (
        <Table
          caption="Recordings, the newest first"
          name={ROOM}
          columns={COLUMNS}
          actions={(recording) => (
            <Menu
              label={`Actions for ${recording.room}, ${dateTime(recording.started_at)}`}
              heading={recording.room}
              testId="recording-menu"
              items={actions(recording, {
                hold,
                ask: (type) => {
                  setQuestion({ type, recording });
                },
              })}
            >
              <Icon name="more" size={20} />
            </Menu>
          )}
          rows={known}
          idOf={(one) => one.id}
          data={(one) => ({
            'data-testid': 'recording-row',
            'data-recording': one.id,
            'data-state': one.state,
          })}
        />
      )}
      {more && (
        <Button
          onClick={() => {
            setProblem(undefined);
            showOlder().catch(tell);
          }}
          data-testid="recordings-more"
        >
          Show older
        </Button>
      )}
      {question?.type === 'files' && <FilesDialog recording={question.recording} onClose={close} />}
      {question?.type === 'stop' && (
        <StopDialog recording={question.recording} onStopped={put} onClose={close} />
      )}
      {question?.type === 'delete' && (
        <DeleteDialog
          recording={question.recording}
          onDeleted={() => {
            drop(question.recording.id);
          }}
          onClose={close}
        />
      )}
    </>
  );
}

interface Acts {
  hold: (recording: RecordingInfo) => void;
  ask: (type: Question['type']) => void;
}

/** The mild first; what cannot be done now is not offered. */
function actions(recording: RecordingInfo, { hold, ask }: Acts): MenuItem[] {
  const playable = isPlayable(recording);
  return [
    {
      label: playable ? 'Play' : 'Open',
      icon: 'play',
      onSelect: () => {
        navigate(`/recordings/${recording.id}`);
      },
    },
    ...(playable
      ? [
          item('Download…', 'download', 'recording-download', () => {
            ask('files');
          }),
        ]
      : []),
    ...(isGoingOn(recording)
      ? [
          item('Stop recording…', 'stop', 'recording-stop', () => {
            ask('stop');
          }),
        ]
      : []),
    item(
      recording.is_held ? 'Release' : 'Hold',
      recording.is_held ? 'unlock' : 'lock',
      'recording-hold',
      () => {
        hold(recording);
      },
    ),
    ...(isOver(recording) && !recording.is_held
      ? [
          {
            ...item('Delete…', 'trash', 'recording-delete', () => {
              ask('delete');
            }),
            danger: true,
          },
        ]
      : []),
  ];
}

function item(label: string, icon: MenuItem['icon'], testId: string, onSelect: () => void) {
  return { label, ...(icon === undefined ? {} : { icon }), testId, onSelect };
}

const ROOM: Column<RecordingInfo> = {
  title: 'Room',
  cell: (one) => (
    <>
      <Link to={`/recordings/${one.id}`}>{one.room}</Link>
      {one.reason !== null && <span className="table-note">{one.reason}</span>}
    </>
  ),
};
const COLUMNS: readonly Column<RecordingInfo>[] = [
  { title: 'Began', cell: (one) => dateTime(one.started_at) },
  { title: 'Length', cell: (one) => lengthOf(one) },
  { title: 'Size', cell: (one) => bytes(one.bytes) },
  { title: 'State', cell: (one) => <StateTag recording={one} /> },
  {
    title: 'Kept',
    cell: (one) => (one.is_held ? <HeldTag /> : keptUntil(one)),
  },
];
