import { useEffect, useState } from 'react';
import { api } from '../../api/client';
import type { RoomInfo } from '../../api/types';
import { useServerInfo } from '../../account/serverInfo';
import { roomPath } from '../../state/joinLink';
import { Icon } from '../../ui/Icon';
import { Link } from '../../ui/Link';

const REFRESH_MS = 5000;

/** Development mode only: elsewhere, who meets whom is nobody's business. */
export function LiveRooms() {
  const dev = useServerInfo()?.dev === true;
  const rooms = useLiveRooms(dev);
  if (rooms === undefined) return null;
  return (
    <section className="card live" aria-labelledby="live-heading">
      <h2 id="live-heading">
        Live rooms <span className="tag">development mode</span>
      </h2>
      {rooms.length === 0 ? (
        <p className="empty">No rooms yet. Start one and it appears here.</p>
      ) : (
        <ul className="live-list">
          {rooms.map((room) => (
            <li key={room.id}>
              <LiveRoom room={room} />
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

function LiveRoom({ room }: { room: RoomInfo }) {
  return (
    <Link className="live-room" to={roomPath(room.id)}>
      <span className="live-name">{room.name === '' ? 'Unnamed room' : room.name}</span>
      <code>{room.id}</code>
      <span className="live-count">
        <Icon name="people" size={18} />
        <span aria-hidden="true">{room.num_participants}</span>
        <span className="visually-hidden">
          {room.num_participants === 1 ? '1 person' : `${String(room.num_participants)} people`}
        </span>
      </span>
    </Link>
  );
}

/** `undefined` until the server has listed its rooms. */
function useLiveRooms(listed: boolean): RoomInfo[] | undefined {
  const [rooms, setRooms] = useState<RoomInfo[]>();
  useEffect(() => {
    let timer: number | undefined;
    let current = true;
    const refresh = async () => {
      try {
        // A hidden tab asks nothing.
        if (document.visibilityState === 'visible') {
          const list = await api.rooms();
          if (current) setRooms(list);
        }
      } catch {
        // The list is a convenience: the last known one stays until the server is back.
      }
      if (current) timer = window.setTimeout(() => void refresh(), REFRESH_MS);
    };
    if (listed) void refresh();
    return () => {
      current = false;
      window.clearTimeout(timer);
    };
  }, [listed]);
  return rooms;
}
