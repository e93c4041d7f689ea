import { useState } from 'react';
import { account } from '../../account/account';
import { api } from '../../api/client';
import { history } from '../../api/history';
import type { RoomInfo } from '../../api/types';
import { inWords } from '../../state/failure';
import { roomPath } from '../../state/joinLink';
import { count, dateTime } from '../../state/measures';
import { AccessNote } from '../../ui/AccessNote';
import { Button } from '../../ui/Button';
import { Dialog } from '../../ui/Dialog';
import { Link } from '../../ui/Link';
import { usePolled } from '../../ui/usePolled';
import { Opening } from '../Opening';

const EVERY_MS = 5000;
const ask = () => account.ask((token) => api.rooms(token));

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
      <div className="table-frame">
        <table className="table table-cards" data-testid="admin-room-table">
          <caption className="visually-hidden">Rooms</caption>
          <thead>
            <tr>
              <th scope="col">Room</th>
              <th scope="col">People</th>
              <th scope="col">Made</th>
              <th scope="col">Way in</th>
              <th scope="col">State</th>
              <th scope="col">
                <span className="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {rooms.value.map((room) => (
              <tr key={room.id} data-testid="admin-room" data-room={room.id}>
                <th scope="row">
                  <Link to={roomPath(room.id)}>{room.name === '' ? room.id : room.name}</Link>
                  {room.name !== '' && <span className="table-note">{room.id}</span>}
                </th>
                <td data-label="People">{count(room.num_participants)}</td>
                <td data-label="Made">{dateTime(room.created_at)}</td>
                <td data-label="Way in">{wayIn(room)}</td>
                <td data-label="State">{state(room)}</td>
                <td className="table-actions">
                  {room.live !== false && (
                    <Button
                      className="button-small"
                      aria-label={`End ${room.name === '' ? room.id : room.name}`}
                      onClick={() => {
                        setEnding(room);
                      }}
                    >
                      End…
                    </Button>
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {ending && (
        <EndDialog
          room={ending}
          onClose={() => {
            setEnding(undefined);
          }}
        />
      )}
    </>
  );
}

function EndDialog({ room, onClose }: { room: RoomInfo; onClose: () => void }) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const end = async () => {
    setBusy(true);
    try {
      await account.ask((token) => history.endRoom(room.id, token));
      onClose();
    } catch (error) {
      setProblem(inWords(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={`End ${room.name === '' ? room.id : room.name}?`} onClose={onClose}>
      <p className="empty">Everybody in it leaves at once.</p>
      {problem !== undefined && (
        <p className="field-error" role="alert">
          {problem}
        </p>
      )}
      <div className="dialog-actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button look="danger" busy={busy} onClick={() => void end()}>
          End for all
        </Button>
      </div>
    </Dialog>
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
