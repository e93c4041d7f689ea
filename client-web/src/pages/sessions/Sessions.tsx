import { useCallback, useState } from 'react';
import { account } from '../../account/account';
import { history, type Format, type SessionInfo } from '../../api/history';
import { count, dateTime } from '../../state/measures';
import { lasted, roomName } from '../../state/sessions';
import { AccessNote } from '../../ui/AccessNote';
import { Button } from '../../ui/Button';
import { Link } from '../../ui/Link';
import { PageShell } from '../../ui/PageShell';
import { saveFile } from '../../ui/saveFile';
import { Table, type Column } from '../../ui/Table';
import { useLoad } from '../../ui/useLoad';
import { Opening } from '../Opening';
import { RoomFilter } from '../RoomFilter';
import { Downloads } from './Downloads';
import '../../styles/tables.css';

const PAGE = 25;

/** What happened: one row for each time people met in a room. */
export default function Sessions() {
  const [room, setRoom] = useState('');
  return (
    <PageShell title="Sessions" wide>
      <header className="page-title">
        <h1>Sessions</h1>
        <RoomFilter onRoom={setRoom} />
        <Downloads
          holds="all sessions of the list"
          save={async (format: Format) => {
            const file = await account.ask((token) =>
              history.sessionsFile(format, room || undefined, token),
            );
            saveFile(file, `sessions.${format}`);
          }}
        />
      </header>
      <SessionList key={room} room={room} />
    </PageShell>
  );
}

function SessionList({ room }: { room: string }) {
  const [before, setBefore] = useState<readonly SessionInfo[]>([]);
  const oldest = before.at(-1)?.session_id;
  const ask = useCallback(
    () =>
      account.ask((token) =>
        history.sessions(
          {
            limit: PAGE,
            ...(room === '' ? {} : { room }),
            ...(oldest === undefined ? {} : { before: oldest }),
          },
          token,
        ),
      ),
    [room, oldest],
  );
  const [page] = useLoad(ask);
  if (page.status === 'failed') return <AccessNote error={page.error} />;
  if (page.status === 'waiting') return <Opening text="Looking up sessions…" />;
  const known = new Set(before.map((one) => one.session_id));
  const sessions = [...before, ...page.value.sessions.filter((one) => !known.has(one.session_id))];
  if (sessions.length === 0) {
    return <p className="empty">No sessions yet. They appear here when people have met.</p>;
  }
  return (
    <>
      <Table
        caption="Sessions, the newest first"
        name={ROOM}
        columns={COLUMNS}
        rows={sessions}
        idOf={(one) => one.session_id}
        data={(one) => ({ 'data-testid': 'session-row', 'data-session': one.session_id })}
      />
      {page.value.more && (
        <Button
          onClick={() => {
            setBefore(sessions);
          }}
          data-testid="sessions-more"
        >
          Show older
        </Button>
      )}
    </>
  );
}

const ROOM: Column<SessionInfo> = {
  title: 'Room',
  cell: (one) => (
    <>
      <Link to={`/sessions/${one.session_id}`}>{roomName(one)}</Link>
      {one.transcript_preview !== '' && (
        <span className="table-note">{one.transcript_preview}</span>
      )}
    </>
  ),
};
const COLUMNS: readonly Column<SessionInfo>[] = [
  { title: 'Began', cell: (one) => dateTime(one.started_at) },
  { title: 'Lasted', cell: (one) => lasted(one) },
  { title: 'People', cell: (one) => count(one.participants) },
  { title: 'Messages', cell: (one) => count(one.message_count) },
  {
    title: 'State',
    cell: (one) => (
      <span className={one.phase === 'active' ? 'tag tag-live' : 'tag'}>
        {one.phase === 'active' ? one.state : one.phase}
      </span>
    ),
  },
];
