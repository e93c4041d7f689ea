import { useEffect, useState, useSyncExternalStore, type ReactNode } from 'react';
import { keyFromHash } from '../state/joinLink';
import { parseJoinOptions } from '../state/joinOptions';
import { createCall } from '../media/createCall';
import { RoomView } from '../room/RoomView';
import { FailureCard } from '../ui/FailureCard';
import { PageShell } from '../ui/PageShell';
import { usePolled } from '../ui/usePolled';
import { rememberNext } from '../account/next';
import { useAccount } from '../account/useAccount';
import { navigate } from '../app/navigation';
import type { Failure } from '../state/failure';
import { displayName } from '../state/people';
import { preferences } from '../state/preferences';
import { Left } from './Left';
import { Opening } from './Opening';
import { PreJoin } from './prejoin/PreJoin';
import { Waiting } from './Waiting';

interface RoomPageProps {
  roomId: string;
  search: string;
  hash: string;
}

/** One link, all phases of its call. What may happen when is in state/call.ts. */
export default function RoomPage({ roomId, search, hash }: RoomPageProps) {
  const options = parseJoinOptions(search);
  const key = keyFromHash(hash);
  const [{ controller, media }] = useState(() => createCall(roomId, key, options));
  const call = useSyncExternalStore(controller.subscribe, controller.get);
  const who = useAccount();

  useEffect(() => {
    void controller.start();
    return () => {
      controller.dispose();
    };
  }, [controller]);

  const retry = (failure: Failure) => {
    if (failure.retry === 'sign_in') {
      rememberNext(`/r/${roomId}${search}${hash}`);
      navigate('/signin');
    } else {
      void (failure.retry === 'join' ? controller.rejoin() : controller.check());
    }
  };

  switch (call.phase) {
    case 'checking':
      return <OpeningPage text="Looking for the room…" />;
    case 'joining':
      return <OpeningPage text="Joining…" />;
    case 'prejoin':
      return (
        <AtDoor look={controller.look}>
          <PreJoin
            room={call.room}
            encrypted={key !== undefined}
            media={media}
            suggestedName={options.name}
            accountName={
              who.status === 'signed_in' ? displayName(who.user.name, who.user.login) : undefined
            }
            problem={call.problem}
            onJoin={(name, answers) => void controller.join(name, answers)}
          />
        </AtDoor>
      );
    case 'waiting':
      return (
        <AtDoor look={controller.look}>
          <Waiting
            room={call.room}
            position={call.position}
            name={options.name ?? preferences.get().name}
            media={media}
            onWithdraw={() => void controller.withdraw()}
          />
        </AtDoor>
      );
    case 'connected':
      return (
        <RoomView
          session={call.session}
          roomInfo={call.room}
          encryptionKey={key}
          onLeave={() => {
            controller.leave();
          }}
        />
      );
    case 'left':
      return <Left room={call.room} onRejoin={() => void controller.rejoin()} />;
    case 'failed':
      return (
        <PageShell title={call.failure.title}>
          <FailureCard
            failure={call.failure}
            onRetry={() => {
              retry(call.failure);
            }}
          />
        </PageShell>
      );
  }
}

/** Often enough that nobody comes into a recording without having been told. */
const LOOK_EVERY_MS = 5000;

/** Asks how the room is while somebody looks at its door. */
function AtDoor({ look, children }: { look: () => Promise<void>; children: ReactNode }) {
  usePolled(look, LOOK_EVERY_MS);
  return children;
}

function OpeningPage({ text }: { text: string }) {
  return (
    <PageShell title="">
      <Opening text={text} />
    </PageShell>
  );
}
