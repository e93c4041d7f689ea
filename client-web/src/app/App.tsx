import { lazy, Suspense } from 'react';
import { Home } from '../pages/Home';
import { Opening } from '../pages/Opening';
import { failure } from '../state/failure';
import { FailureCard } from '../ui/FailureCard';
import { PageShell } from '../ui/PageShell';
import { Safely } from '../ui/Safely';
import { useAddress } from './navigation';
import { parseRoute, type Route } from './route';

// livekit comes with the room, not with the home page; pages few people see come when they do.
const RoomPage = lazy(() => import('../pages/RoomPage'));
const SignIn = lazy(() => import('../pages/account/SignIn'));
const Sessions = lazy(() => import('../pages/sessions/Sessions'));
const Session = lazy(() => import('../pages/sessions/Session'));
const Recordings = lazy(() => import('../pages/recordings/Recordings'));
const Recording = lazy(() => import('../pages/recordings/Recording'));
const Dashboard = lazy(() => import('../pages/admin/Dashboard'));
const ApiPage = lazy(() => import('../pages/docs/ApiPage'));

export function App() {
  const address = useAddress();
  const { pathname, search, hash } = new URL(address, window.location.origin);
  const route = parseRoute(pathname);
  return (
    <Safely place={address} frame={(card) => <PageShell title="">{card}</PageShell>}>
      <Suspense fallback={<Arriving page={route.page} />}>{pageOf(route, search, hash)}</Suspense>
    </Safely>
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
    case 'sessions':
      return <Sessions />;
    case 'session':
      return <Session key={route.id} id={route.id} />;
    case 'recordings':
      return <Recordings />;
    case 'recording':
      return <Recording key={route.id} id={route.id} />;
    case 'admin':
      return <Dashboard tab={route.tab} />;
    case 'api':
      return <ApiPage />;
    case 'nowhere':
      return (
        <PageShell title="Not found">
          <FailureCard failure={failure('bad_link')} onRetry={() => undefined} />
        </PageShell>
      );
  }
}

function Arriving({ page }: { page: Route['page'] }) {
  return (
    <PageShell title="">
      <Opening text={page === 'room' ? 'Opening the room…' : 'Opening the page…'} />
    </PageShell>
  );
}
