import { useEffect, useRef } from 'react';
import type { RoomInfo } from '../api/types';
import { navigate } from '../app/navigation';
import { Button } from '../ui/Button';
import { Icon } from '../ui/Icon';
import { PageShell } from '../ui/PageShell';

export function Left({ room, onRejoin }: { room: RoomInfo; onRejoin: () => void }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <PageShell title="You left">
      <section className="outcome" data-testid="left-screen">
        <div className="outcome-mark">
          <Icon name="door" size={28} />
        </div>
        <h1 ref={heading} tabIndex={-1}>
          You left {room.name === '' ? 'the room' : room.name}
        </h1>
        <p>Your camera and microphone are off. The room stays open for the others.</p>
        <div className="outcome-actions">
          <Button look="primary" onClick={onRejoin} data-testid="left-rejoin">
            Rejoin
          </Button>
          <Button
            onClick={() => {
              navigate('/');
            }}
            data-testid="left-home"
          >
            Go to home page
          </Button>
        </div>
      </section>
    </PageShell>
  );
}
