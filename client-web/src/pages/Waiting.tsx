import { useEffect, useRef, useSyncExternalStore } from 'react';
import type { RoomInfo } from '../api/types';
import type { PreviewMedia } from '../media/browserMedia';
import { Button } from '../ui/Button';
import { PageShell } from '../ui/PageShell';
import { RecordedNote } from './prejoin/Consent';
import { Preview } from './prejoin/Preview';

interface WaitingProps {
  room: RoomInfo | undefined;
  position: number;
  name: string;
  media: PreviewMedia;
  onWithdraw: () => void;
}

/** In the lobby: what one waits for, how many are before, and one's own picture to pass the time. */
export function Waiting({ room, position, name, media, onWithdraw }: WaitingProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  const state = useSyncExternalStore(media.subscribe, media.get);
  return (
    <PageShell title="Waiting to be let in">
      <div className="prejoin" data-testid="lobby-page" data-position={position}>
        <Preview media={media} state={state} name={name} />
        <section className="prejoin-form" aria-labelledby="lobby-heading">
          <header>
            <h1 id="lobby-heading" ref={heading} tabIndex={-1}>
              A host will let you in
            </h1>
            {room !== undefined && room.name !== '' && <p className="prejoin-who">{room.name}</p>}
          </header>
          <p className="lobby-place" role="status">
            <span className="spinner" aria-hidden="true" />
            {placeInLine(position)}
          </p>
          {room?.is_recorded === true && <RecordedNote />}
          <p className="empty">
            Keep this page open. You come in by yourself, with camera and microphone as they are set
            here.
          </p>
          <Button onClick={onWithdraw} data-testid="lobby-withdraw">
            Leave the line
          </Button>
        </section>
      </div>
    </PageShell>
  );
}

function placeInLine(position: number): string {
  const before = position - 1;
  if (before < 1) return 'You are next in line.';
  return before === 1 ? '1 person is before you.' : `${String(before)} people are before you.`;
}
