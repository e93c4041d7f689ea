import { ADMIN_TABS, type AdminTab } from '../../app/route';
import { Link } from '../../ui/Link';
import { PageShell } from '../../ui/PageShell';
import { EventLog } from './EventLog';
import { Overview } from './Overview';
import { RoomsInUse } from './RoomsInUse';
import { Settings } from './Settings';
import { Users } from './Users';
import '../../styles/tables.css';
import '../../styles/charts.css';

const NAMES: Record<AdminTab, string> = {
  overview: 'Overview',
  rooms: 'Rooms',
  events: 'Events',
  users: 'Users',
  settings: 'Settings',
};

/** What an operator wants to know of a server, a page for each question. */
export default function Dashboard({ tab }: { tab: AdminTab }) {
  return (
    <PageShell title={`${NAMES[tab]} · Dashboard`} wide>
      <header className="page-title">
        <h1>Dashboard</h1>
        <nav className="tabs" aria-label="Dashboard">
          {ADMIN_TABS.map((one) => (
            <Link
              key={one}
              to={one === 'overview' ? '/admin' : `/admin/${one}`}
              aria-current={one === tab ? 'page' : undefined}
              data-testid={`admin-${one}`}
            >
              {NAMES[one]}
            </Link>
          ))}
        </nav>
      </header>
      {tab === 'overview' && <Overview />}
      {tab === 'rooms' && <RoomsInUse />}
      {tab === 'events' && <EventLog />}
      {tab === 'users' && <Users />}
      {tab === 'settings' && <Settings />}
    </PageShell>
  );
}
