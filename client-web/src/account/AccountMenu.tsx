import { useState } from 'react';
import type { User } from '../api/accounts';
import { navigate, useAddress } from '../app/navigation';
import { inWords } from '../state/failure';
import { displayName } from '../state/people';
import { Button } from '../ui/Button';
import { Dialog } from '../ui/Dialog';
import { Icon } from '../ui/Icon';
import { Link } from '../ui/Link';
import { Menu, type MenuItem } from '../ui/Menu';
import { account } from './account';
import { rememberNext } from './next';
import { PasswordDialog } from './PasswordDialog';
import { useServerInfo } from './serverInfo';
import { useAccount } from './useAccount';

/** Who one is here, in the corner of every page; nothing on a server without accounts. */
export function AccountMenu() {
  const info = useServerInfo();
  const who = useAccount();
  const signingIn = useAddress().startsWith('/signin');
  if (who.status === 'signed_in') return <SignedInMenu user={who.user} />;
  if (info === undefined || who.status === 'unknown') return null;
  if (info.dev) return <DeveloperLinks />;
  if (info.accounts?.enabled !== true || signingIn) return null;
  return (
    <Link
      className="button button-secondary button-small"
      to="/signin"
      data-testid="sign-in-link"
      onClickCapture={() => {
        const { pathname, search, hash } = window.location;
        rememberNext(pathname + search + hash);
      }}
    >
      Sign in
    </Link>
  );
}

function SignedInMenu({ user }: { user: User }) {
  const [changing, setChanging] = useState(false);
  const [stuck, setStuck] = useState<unknown>();
  const go = (path: string) => () => {
    navigate(path);
  };
  const signOut = () => {
    setStuck(undefined);
    account.signOut().then(go('/'), setStuck);
  };
  const name = displayName(user.name, user.login);
  const items: MenuItem[] = [
    { label: 'Sessions', icon: 'wait', onSelect: go('/sessions'), testId: 'menu-sessions' },
    {
      label: 'Recordings',
      icon: 'record',
      onSelect: go('/recordings'),
      testId: 'menu-recordings',
    },
    ...(user.roles.includes('admin')
      ? [
          {
            label: 'Dashboard',
            icon: 'chart' as const,
            onSelect: go('/admin'),
            testId: 'menu-admin',
          },
        ]
      : []),
    {
      label: 'Change password',
      icon: 'lock',
      onSelect: () => {
        setChanging(true);
      },
    },
    {
      label: 'Sign out',
      icon: 'door',
      testId: 'sign-out',
      onSelect: signOut,
    },
  ];
  return (
    <>
      {stuck !== undefined && (
        <StillSignedIn
          problem={stuck}
          onRetry={signOut}
          onClose={() => {
            setStuck(undefined);
          }}
        />
      )}
      <Menu
        label={`Account: ${name}`}
        heading={name}
        items={items}
        className="icon-button"
        testId="account-menu"
      >
        <Icon name="person" size={20} />
      </Menu>
      {changing && (
        <PasswordDialog
          onClose={() => {
            setChanging(false);
          }}
        />
      )}
    </>
  );
}

function StillSignedIn(props: { problem: unknown; onRetry: () => void; onClose: () => void }) {
  return (
    <Dialog title="You are still signed in" onClose={props.onClose}>
      <p className="empty" role="alert" data-testid="still-signed-in">
        The server could not be told that you sign out. {inWords(props.problem)}
      </p>
      <div className="dialog-actions">
        <Button onClick={props.onClose}>Stay signed in</Button>
        <Button look="primary" onClick={props.onRetry}>
          Try again
        </Button>
      </div>
    </Dialog>
  );
}

/** Development mode has no accounts: everybody may look at everything. */
function DeveloperLinks() {
  const go = (path: string) => () => {
    navigate(path);
  };
  return (
    <Menu
      label="Pages for developers"
      heading="Development mode"
      testId="developer-menu"
      items={[
        { label: 'Sessions', icon: 'wait', onSelect: go('/sessions') },
        { label: 'Recordings', icon: 'record', onSelect: go('/recordings') },
        { label: 'Dashboard', icon: 'chart', onSelect: go('/admin') },
        { label: 'API', icon: 'code', onSelect: go('/docs/api') },
      ]}
    >
      <Icon name="more" size={20} />
    </Menu>
  );
}
