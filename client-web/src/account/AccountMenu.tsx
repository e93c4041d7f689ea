import { useState } from 'react';
import type { User } from '../api/accounts';
import { navigate } from '../app/navigation';
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
  if (who.status === 'signed_in') return <SignedInMenu user={who.user} />;
  if (info === undefined || who.status === 'unknown') return null;
  if (info.accounts?.enabled !== true) return null;
  return (
    <Link
      className="button button-secondary button-small"
      to="/signin"
      data-testid="sign-in-link"
      onClickCapture={() => {
        const { pathname, search, hash } = window.location;
        if (pathname !== '/signin') rememberNext(pathname + search + hash);
      }}
    >
      Sign in
    </Link>
  );
}

function SignedInMenu({ user }: { user: User }) {
  const [changing, setChanging] = useState(false);
  const name = user.name === '' ? user.login : user.name;
  const items: MenuItem[] = [
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
      onSelect: () => {
        account.signOut().catch(() => undefined);
        navigate('/');
      },
    },
  ];
  return (
    <>
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
