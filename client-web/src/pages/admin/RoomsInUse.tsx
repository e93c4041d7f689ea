import { useState } from 'react';
import { account } from '../../account/account';
import { api } from '../../api/client';
import { history } from '../../api/history';
import type { RoomInfo } from '../../api/types';
import { roomPath } from '../../state/joinLink';
import { count, dateTime } from '../../state/measures';
import { AccessNote } from '../../ui/AccessNote';
import { Asking } from '../../ui/Asking';
import { Button } from '../../ui/Button';
import { Link } from '../../ui/Link';
import { Table, type Column } from '../../ui/Table';
import { usePolled } from '../../ui/usePolled';
import { Opening } from '../Opening';

const EVERY_MS = 5000;
const ask = () => account.ask((token) => api.rooms(token));

const COLUMNS: readonly Column<RoomInfo>[] = [
  { title: 'People', cell: (room) => count(room.num_participants) },
  { title: 'Made', cell: (room) => dateTime(room.created_at) },
  { title: 'Way in', cell: wayIn },
  { title: 'State', cell: state },
];

/** Rooms with people in them, and those that are kept. */
export function RoomsInUse() {
  const rooms = usePolled(ask, EVERY_MS);
  const [ending, setEnding] = useState<RoomInfo>();
  if (rooms.status === 'failed') return <AccessNote error={rooms.error} />;
  if (rooms.status === 'waiting') return <Opening text="Looking up rooms…" />;
  const problem = rooms.problem !== undefined && <AccessNote error={rooms.problem} />;
  if (rooms.value.length === 0) {
    return problem || <p className="empty">No rooms at the moment.</p>;
  }
  return (
    <>
      {problem}
      <Table
        caption="Rooms"
        name={{ title: 'Room', cell: nameAndId }}
        columns={COLUMNS}
        actions={(room) =>
          room.live !== false && (
            <Button
              className="button-small"
              aria-label={`End ${roomTitle(room)}`}
              onClick={() => {
                setEnding(room);
              }}
            >
              End…
            </Button>
          )
        }
        rows={rooms.value}
        idOf={(room) => room.id}
        data={(room) => ({ 'data-testid': 'admin-room', 'data-room': room.id })}
      />
      {ending && (
        <Asking
          title={`End ${roomTitle(ending)}?`}
          yes="End for all"
          danger
          act={() => account.ask((token) => history.endRoom(ending.id, token))}
          onClose={() => {
            setEnding(undefined);
          }}
        >
          <p className="empty">Everybody in it leaves at once.</p>
        </Asking>
      )}
    </>
  );
}

function roomTitle(room: RoomInfo): string {
  return room.name === '' ? room.id : room.name;
}

function nameAndId(room: RoomInfo) {
  return (
    <>
      <Link to={roomPath(room.id)}>{roomTitle(room)}</Link>
      {room.name !== '' && <span className="table-note">{room.id}</span>}
    </>
  );
}

function wayIn(room: RoomInfo): string {
  const ways = [
    room.locked === true && 'locked',
    room.has_password === true && 'password',
    room.lobby === true && 'lobby',
    room.guests === false && 'accounts only',
  ].filter(Boolean);
  return ways.length === 0 ? 'open' : ways.join(', ');
}

function state(room: RoomInfo): string {
  const now = room.live === false ? 'empty' : (room.session_state ?? 'live');
  return room.lasting === true ? `${now}, kept` : now;
}
