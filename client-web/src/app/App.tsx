import { lazy, Suspense } from 'react';
import { Home } from '../pages/Home';
import { failure } from '../state/failure';
import { FailureCard } from '../ui/FailureCard';
import { PageShell } from '../ui/PageShell';
import { useAddress } from './navigation';
import { parseRoute, type Route } from './route';

// livekit comes with the room, not with the home page; pages few people see come when they do.
const RoomPage = lazy(() => import('../pages/RoomPage'));
const SignIn = lazy(() => import('../pages/account/SignIn'));

export function App() {
  const address = useAddress();
  const { pathname, search, hash } = new URL(address, window.location.origin);
  const route = parseRoute(pathname);
  return (
    <Suspense fallback={<Opening page={route.page} />}>{pageOf(route, search, hash)}</Suspense>
  );
}

function pageOf(route: Route, search: string, hash: string) {
  switch (route.page) {
    case 'home':
      return <Home />;
    case 'room':
      // The key: another room, or the same room under another encryption key, is another call.
      return (
        <RoomPage key={route.id + search + hash} roomId={route.id} search={search} hash={hash} />
      );
    case 'signin':
      return <SignIn search={search} />;
    case 'nowhere':
      return (
        <PageShell title="Not found">
          <FailureCard failure={failure('bad_link')} onRetry={() => undefined} />
        </PageShell>
      );
  }
}

function Opening({ page }: { page: Route['page'] }) {
  return (
    <PageShell title="">
      <p className="waiting" role="status">
        <span className="spinner" aria-hidden="true" />{' '}
        {page === 'room' ? 'Opening the room…' : 'Opening the page…'}
      </p>
    </PageShell>
  );
}
