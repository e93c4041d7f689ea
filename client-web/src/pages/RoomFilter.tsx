import { Button } from '../ui/Button';
import { Field } from '../ui/Field';
import '../styles/tables.css';

/** Asks of which room a list is; of all where nothing is typed. */
export function RoomFilter({ onRoom }: { onRoom: (room: string) => void }) {
  return (
    <form
      className="filter"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        const typed = new FormData(event.currentTarget).get('room');
        onRoom(typeof typed === 'string' ? typed.trim() : '');
      }}
    >
      <Field label="Room id" name="room" placeholder="All rooms" autoComplete="off" />
      <Button type="submit">Show</Button>
    </form>
  );
}
