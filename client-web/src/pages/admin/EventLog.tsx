import { account } from '../../account/account';
import { history, type LogEntry } from '../../api/history';
import { addEvents, eventInWords, NO_TAIL, type Tail } from '../../state/eventTail';
import { clock, dateTime } from '../../state/measures';
import { AccessNote } from '../../ui/AccessNote';
import { usePolled } from '../../ui/usePolled';
import { useState } from 'react';
import { Opening } from '../Opening';

const EVERY_MS = 3000;
const PAGE = 100;

/** The end of the event log, growing while one watches. */
export function EventLog() {
  const [ask] = useState(follow);
  const tail = usePolled(ask, EVERY_MS);
  if (tail.status === 'failed') return <AccessNote error={tail.error} />;
  if (tail.status === 'waiting') return <Opening text="Reading the log…" />;
  return (
    <>
      {tail.problem !== undefined && <AccessNote error={tail.problem} />}
      {tail.value.length === 0 ? (
        <p className="empty">Nothing has happened yet.</p>
      ) : (
        <EventTable entries={tail.value} />
      )}
    </>
  );
}

function EventTable({ entries }: { entries: readonly LogEntry[] }) {
  return (
    // Focusable because it scrolls.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <div className="table-frame" role="group" aria-label="Event log" tabIndex={0}>
      <table className="table table-cards" data-testid="event-log">
        <caption className="visually-hidden">Events, the newest first</caption>
        <thead>
          <tr>
            <th scope="col">Number</th>
            <th scope="col">When</th>
            <th scope="col">Room</th>
            <th scope="col">What</th>
            <th scope="col">About</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <tr key={entry.number} data-testid="event-row" data-kind={entry.kind}>
              <th scope="row">{entry.number}</th>
              <td data-label="When" title={dateTime(entry.at)}>
                {clock(entry.at, true)}
              </td>
              <td data-label="Room">{entry.room ?? '–'}</td>
              <td data-label="What">{entry.kind.replaceAll('_', ' ')}</td>
              <td data-label="About">{eventInWords(entry.event)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A question that remembers how far it has read; newest first. */
function follow(): () => Promise<LogEntry[]> {
  let tail: Tail = NO_TAIL;
  const read = (after: number, limit: number) =>
    account.ask((token) => history.events({ after, limit }, token));
  return async () => {
    if (tail.after === undefined) {
      const { newest = 0 } = await read(0, 1);
      tail = { ...tail, after: beforeTheEnd(newest) };
    }
    let page = await read(tail.after ?? 0, PAGE);
    if (page.more && page.newest !== undefined) {
      // More has happened than is followed: what is shown is the end, without a gap.
      tail = { ...NO_TAIL, after: beforeTheEnd(page.newest) };
      page = await read(tail.after ?? 0, PAGE);
    }
    tail = addEvents(tail, page.events);
    return [...tail.entries].reverse();
  };
}

function beforeTheEnd(newest: number): number {
  return Math.max(0, newest - PAGE);
}
