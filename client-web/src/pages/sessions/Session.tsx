import { useCallback } from 'react';
import { account } from '../../account/account';
import { history, type Format, type SessionDetail, type Stay } from '../../api/history';
import { count, dateTime } from '../../state/measures';
import { displayName } from '../../state/people';
import { lasted, roomName, stayed } from '../../state/sessions';
import { AccessNote } from '../../ui/AccessNote';
import { Link } from '../../ui/Link';
import { PageShell } from '../../ui/PageShell';
import { saveFile } from '../../ui/saveFile';
import { Table, type Column } from '../../ui/Table';
import { useLoad } from '../../ui/useLoad';
import { Opening } from '../Opening';
import { Downloads } from './Downloads';
import { QualityCharts } from './QualityCharts';
import { SessionRecordings } from './SessionRecordings';
import '../../styles/tables.css';
import '../../styles/charts.css';

/** One session: who was there for how long, and how well it went for each. */
export default function Session({ id }: { id: string }) {
  const ask = useCallback(() => account.ask((token) => history.session(id, token)), [id]);
  const [loaded] = useLoad(ask);
  return (
    <PageShell title={loaded.status === 'ready' ? roomName(loaded.value) : 'Session'} wide>
      <p className="crumb">
        <Link to="/sessions">All sessions</Link>
      </p>
      {loaded.status === 'failed' && <AccessNote error={loaded.error} />}
      {loaded.status === 'waiting' && <Opening text="Looking up the session…" />}
      {loaded.status === 'ready' && <Detail session={loaded.value} />}
    </PageShell>
  );
}

function Detail({ session }: { session: SessionDetail }) {
  const facts: [string, string][] = [
    ['Began', dateTime(session.started_at)],
    ['Ended', session.phase === 'active' ? 'going on' : dateTime(session.ended_at)],
    ['Lasted', lasted(session)],
    ['Kind', session.kind === 'appointment' ? 'by appointment' : 'at once'],
    ['State', session.state],
    ['Messages', count(session.message_count)],
  ];
  return (
    <>
      <header className="page-title">
        <h1>{roomName(session)}</h1>
        <code>{session.session_id}</code>
      </header>
      <dl className="figures" data-testid="session-facts">
        {facts.map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <section className="block" aria-labelledby="people-heading">
        <h2 id="people-heading">People ({session.participants.length})</h2>
        <Table
          caption="People"
          name={NAME}
          columns={COLUMNS}
          rows={session.participants}
          idOf={(one) => one.participant_id}
          data={(one) => ({ 'data-testid': 'stay-row', 'data-identity': one.identity })}
        />
      </section>
      <SessionRecordings room={session.room_id} session={session.session_id} />
      <section className="block" aria-labelledby="quality-heading">
        <header className="page-title">
          <h2 id="quality-heading">Quality</h2>
          <Downloads
            holds="all measurements"
            save={async (format: Format) => {
              const file = await account.ask((token) =>
                history.qualityFile(session.session_id, format, token),
              );
              saveFile(file, `quality-${session.session_id}.${format}`);
            }}
          />
        </header>
        <QualityCharts session={session} />
      </section>
    </>
  );
}

const NAME: Column<Stay> = {
  title: 'Name',
  cell: (one) => (
    <>
      {displayName(one.name, one.identity)}
      {one.name !== '' && <span className="table-note">{one.identity}</span>}
    </>
  ),
};
const COLUMNS: readonly Column<Stay>[] = [
  { title: 'Role', cell: (one) => one.role },
  { title: 'Came', cell: (one) => dateTime(one.joined_at) },
  { title: 'Left', cell: (one) => (one.left_at === null ? 'still there' : dateTime(one.left_at)) },
  { title: 'Stayed', cell: (one) => stayed(one) },
  {
    title: 'Left because',
    cell: (one) => one.left_because?.replaceAll('_', ' ').toLowerCase(),
  },
];
