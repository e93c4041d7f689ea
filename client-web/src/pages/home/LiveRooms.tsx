import { useEffect, useState } from 'react';
import { api } from '../../api/client';
import type { RoomInfo } from '../../api/types';
import { navigate } from '../../app/navigation';
import { roomPath } from '../../state/joinLink';
import { Icon } from '../../ui/Icon';

const REFRESH_MS = 5000;

/** Development mode only: elsewhere, who meets whom is nobody's business. */
export function LiveRooms() {
  const rooms = useLiveRooms();
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
  const path = roomPath(room.id);
  return (
    <a
      className="live-room"
      href={path}
      onClick={(event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        navigate(path);
      }}
    >
      <span className="live-name">{room.name === '' ? 'Unnamed room' : room.name}</span>
      <code>{room.id}</code>
      <span className="live-count">
        <Icon name="people" size={18} />
        <span aria-hidden="true">{room.num_participants}</span>
        <span className="visually-hidden">
          {room.num_participants === 1 ? '1 person' : `${String(room.num_participants)} people`}
        </span>
      </span>
    </a>
  );
}

/** `undefined` until the server says it is in development mode and lists its rooms. */
function useLiveRooms(): RoomInfo[] | undefined {
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
    api.info().then(
      (info) => {
        if (info.dev && current) void refresh();
      },
      () => undefined,
    );
    return () => {
      current = false;
      window.clearTimeout(timer);
    };
  }, []);
  return rooms;
}
