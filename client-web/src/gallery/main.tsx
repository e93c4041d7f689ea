/**
 * Every look of the product without a server: /gallery.html?scene=room&n=9&panel=chat. Reached only
 * through the dev server; the production build starts from index.html and never sees this folder.
 */
import { Room } from 'livekit-client';
import { createRoot } from 'react-dom/client';
import { HelpDialog } from '../room/HelpDialog';
import { RoomView } from '../room/RoomView';
import { createPreviewMedia } from '../media/browserMedia';
import { RoomControl } from '../media/roomControl';
import { PreJoin } from '../pages/prejoin/PreJoin';
import { preferences } from '../state/preferences';
import { failure, type FailureKind } from '../state/failure';
import { Left } from '../pages/Left';
import { FailureCard } from '../ui/FailureCard';
import { PageShell } from '../ui/PageShell';
import '../styles/index.css';
import { answerFromHere, RecordingsScene } from './recordings';
import { RoomScene } from './RoomScene';

const OPENED = Date.now();
const ROOM = {
  id: 'k3m9x2qa',
  name: 'Weekly catch-up',
  num_participants: 2,
  max_participants: 0,
  created_at: OPENED,
};
const room = new Room();
const query = new URLSearchParams(window.location.search);
if (query.get('scene')?.startsWith('recording') === true) answerFromHere(query);

function Scene() {
  switch (query.get('scene')) {
    case 'failure':
      return (
        <PageShell title="Failure">
          <FailureCard
            failure={failure((query.get('kind') ?? 'unknown') as FailureKind)}
            onRetry={() => undefined}
          />
        </PageShell>
      );
    case 'call':
      // The connected view over a livekit room that never connects: dialogs, devices, shortcuts.
      return (
        <RoomView
          session={{
            room,
            joinedAt: OPENED,
            encrypted: false,
            token: () => '',
            control: new RoomControl(room),
            problems: Promise.resolve([]),
          }}
          roomInfo={ROOM}
          encryptionKey={undefined}
          onLeave={() => undefined}
        />
      );
    case 'recordings':
    case 'recording':
      return <RecordingsScene query={query} />;
    case 'prejoin':
      return (
        <PreJoin
          room={{
            ...ROOM,
            is_recorded: query.has('recorded'),
            asks_consent: query.has('consent'),
          }}
          encrypted={false}
          media={createPreviewMedia(preferences, { camera: false, microphone: false })}
          suggestedName="Ada Lovelace"
          problem={undefined}
          onJoin={() => undefined}
        />
      );
    case 'left':
      return <Left room={ROOM} onRejoin={() => undefined} />;
    default:
      return (
        <>
          <RoomScene query={query} />
          {query.has('help') && <HelpDialog onClose={() => undefined} />}
        </>
      );
  }
}

const root = document.getElementById('root');
if (root) createRoot(root).render(<Scene />);
