import { useCallback } from 'react';
import { account } from '../../account/account';
import { history, SAMPLES_IN_FILE, type Format, type SessionDetail } from '../../api/history';
import { count, dateTime, duration } from '../../state/measures';
import { displayName } from '../../state/people';
import { lasted, roomName } from '../../state/sessions';
import { AccessNote } from '../../ui/AccessNote';
import { Link } from '../../ui/Link';
import { PageShell } from '../../ui/PageShell';
import { saveFile } from '../../ui/saveFile';
import { useLoad } from '../../ui/useLoad';
import { Opening } from '../Opening';
import { Downloads } from './Downloads';
import { QualityCharts } from './QualityCharts';
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
        <div className="table-frame">
          <table className="table table-cards">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Role</th>
                <th scope="col">Came</th>
                <th scope="col">Left</th>
                <th scope="col">Stayed</th>
                <th scope="col">Left because</th>
              </tr>
            </thead>
            <tbody>
              {session.participants.map((one) => (
                <tr key={one.participant_id} data-testid="stay-row" data-identity={one.identity}>
                  <th scope="row">
                    {displayName(one.name, one.identity)}
                    {one.name !== '' && <span className="table-note">{one.identity}</span>}
                  </th>
                  <td data-label="Role">{one.role === '' ? '–' : one.role}</td>
                  <td data-label="Came">{dateTime(one.joined_at)}</td>
                  <td data-label="Left">
                    {one.left_at === null ? 'still there' : dateTime(one.left_at)}
                  </td>
                  <td data-label="Stayed">{duration(one.duration_seconds)}</td>
                  <td data-label="Left because">
                    {one.left_because === null
                      ? '–'
                      : one.left_because.replaceAll('_', ' ').toLowerCase()}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </section>
      <section className="block" aria-labelledby="quality-heading">
        <header className="page-title">
          <h2 id="quality-heading">Quality</h2>
          <Downloads
            most={`the first ${count(SAMPLES_IN_FILE)} measurements`}
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
