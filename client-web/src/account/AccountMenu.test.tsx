import { act, render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { respond } from '../test/respond';
import { account } from './account';
import { AccountMenu } from './AccountMenu';

const ada = { id: 'u', login: 'ada', name: 'Ada', roles: [], disabled: false, created_at: 0 };
const server = {
  'GET /api/info': {
    status: 200,
    body: { name: 'sluice', version: '0', dev: false, accounts: { enabled: true, oidc: null } },
  },
  'POST /api/accounts/login': {
    status: 200,
    body: { access_token: 'a', expires_in_s: 900, user: ada },
  },
};
const listening = { ...server, 'POST /api/accounts/logout': { status: 204, body: '' } };

beforeEach(async () => {
  respond(server);
  await account.signIn('ada', 's3cret pass');
  window.history.replaceState(null, '', '/sessions');
});
afterEach(async () => {
  respond(listening);
  await account.signOut();
  localStorage.clear();
});

async function signOut() {
  await userEvent.click(screen.getByTestId('account-menu'));
  await userEvent.click(screen.getByTestId('sign-out'));
}

it('a sign-out that the server does not hear is none, and says so', async () => {
  render(<AccountMenu />);
  await signOut();
  expect(await screen.findByTestId('still-signed-in')).toHaveTextContent('could not be told');
  expect(window.location.pathname).toBe('/sessions');
  const asked = respond(listening);
  await userEvent.click(screen.getByRole('button', { name: 'Try again' }));
  expect(await screen.findByTestId('sign-in-link')).toBeVisible();
  expect(window.location.pathname).toBe('/');
  expect(asked[0]).toMatchObject({ headers: { authorization: 'Bearer a' } });
});

it('the corner of every tab knows when one has signed out in another', async () => {
  render(<AccountMenu />);
  expect(screen.getByTestId('account-menu')).toBeVisible();
  localStorage.removeItem('sluice.signedIn');
  act(() => {
    window.dispatchEvent(new StorageEvent('storage', { key: 'sluice.signedIn' }));
  });
  await waitFor(() => {
    expect(screen.queryByTestId('account-menu')).toBeNull();
  });
  expect(await account.token()).toBeUndefined();
});
