import { account } from '../../account/account';
import { history, type LogEntry } from '../../api/history';
import { addEvents, eventInWords, NO_TAIL, type Tail } from '../../state/eventTail';
import { clock, dateTime } from '../../state/measures';
import { AccessNote } from '../../ui/AccessNote';
import { Table, type Column } from '../../ui/Table';
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
        <Table
          caption="Events, the newest first"
          name={NUMBER}
          columns={COLUMNS}
          rows={tail.value}
          idOf={(entry) => entry.number}
          data={(entry) => ({ 'data-testid': 'event-row', 'data-kind': entry.kind })}
        />
      )}
    </>
  );
}

const NUMBER: Column<LogEntry> = { title: 'Number', cell: (entry) => entry.number };
const COLUMNS: readonly Column<LogEntry>[] = [
  {
    title: 'When',
    cell: (entry) => <span title={dateTime(entry.at)}>{clock(entry.at, true)}</span>,
  },
  { title: 'Room', cell: (entry) => entry.room },
  { title: 'What', cell: (entry) => entry.kind.replaceAll('_', ' ') },
  { title: 'About', cell: (entry) => eventInWords(entry.event) },
];

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
