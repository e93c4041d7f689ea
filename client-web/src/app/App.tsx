import { lazy, Suspense } from 'react';
import { Home } from '../pages/Home';
import { failure } from '../state/failure';
import { FailureCard } from '../ui/FailureCard';
import { PageShell } from '../ui/PageShell';
import { useAddress } from './navigation';
import { parseRoute } from './route';

// livekit comes with the room, not with the home page.
const RoomPage = lazy(() => import('../pages/RoomPage'));

export function App() {
  const address = useAddress();
  const { pathname, search, hash } = new URL(address, window.location.origin);
  const route = parseRoute(pathname);
  switch (route.page) {
    case 'home':
      return <Home />;
    case 'room':
      return (
        <Suspense fallback={<Waiting />}>
          {/* The key: another room, or the same room under another encryption key, is another call. */}
          <RoomPage key={route.id + search + hash} roomId={route.id} search={search} hash={hash} />
        </Suspense>
      );
    case 'nowhere':
      return (
        <PageShell title="Not found">
          <FailureCard failure={failure('bad_link')} onRetry={() => undefined} />
        </PageShell>
      );
  }
}

function Waiting() {
  return (
    <PageShell title="">
      <p className="waiting" role="status">
        <span className="spinner" aria-hidden="true" /> Opening the room…
      </p>
    </PageShell>
  );
}
