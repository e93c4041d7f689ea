import { useCallback } from 'react';
import { account } from '../../account/account';
import { recordings } from '../../api/recordings';
import { dateTime } from '../../state/measures';
import { lengthOf, stateName } from '../../state/recordings';
import { Link } from '../../ui/Link';
import { useLoad } from '../../ui/useLoad';

/** As many of a room's as are looked through for those of one session. */
const LOOKED_THROUGH = 100;

interface SessionRecordingsProps {
  room: string;
  session: string;
}

/** What was recorded of a session; nothing where there is none, or one may not know. */
export function SessionRecordings({ room, session }: SessionRecordingsProps) {
  const ask = useCallback(
    () => account.ask((token) => recordings.list({ room, limit: LOOKED_THROUGH }, token)),
    [room],
  );
  const [loaded] = useLoad(ask);
  if (loaded.status !== 'ready') return null;
  const own = loaded.value.recordings.filter((one) => one.session === session);
  if (own.length === 0) return null;
  return (
    <section className="block" aria-labelledby="recordings-heading">
      <h2 id="recordings-heading">Recordings ({own.length})</h2>
      <ul className="links">
        {own.map((one) => (
          <li key={one.id}>
            <Link to={`/recordings/${one.id}`} data-testid="session-recording">
              {dateTime(one.started_at)}
            </Link>{' '}
            <span className="field-hint">
              {lengthOf(one)}, {stateName(one.state).toLowerCase()}
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
