import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { account } from '../../account/account';
import { rememberNext } from '../../account/next';
import { respond } from '../../test/respond';
import SignIn from './SignIn';

const ada = { id: 'u', login: 'ada', name: 'Ada', roles: [], disabled: false, created_at: 0 };
const info = (accounts: object, guests = true) => ({
  status: 200,
  body: { name: 'sluice', version: '0', dev: false, guests, accounts },
});
const both = { enabled: true, registration: false, oidc: { name: 'Example ID' } };
const signedIn = { status: 200, body: { access_token: 'a', expires_in_s: 900, user: ada } };

beforeEach(() => {
  window.history.replaceState(null, '', '/signin');
});

// The account is the page's, as in a browser: each test leaves as a guest.
afterEach(async () => {
  respond({ 'POST /api/accounts/logout': { status: 204, body: '' } });
  await account.signOut();
  localStorage.clear();
});

describe('signing in', () => {
  it('brings one back to the room one came for, with its key', async () => {
    const asked = respond({
      'GET /api/info': info(both),
      'POST /api/accounts/login': signedIn,
    });
    rememberNext('/r/k3m9x2qa#e2ee=s3cret');
    const pages = window.history.length;
    render(<SignIn search="" />);
    await userEvent.type(screen.getByLabelText('Login'), ' ada ');
    await userEvent.type(screen.getByLabelText('Password'), 's3cret pass{Enter}');
    await waitFor(() => {
      expect(window.location.pathname + window.location.hash).toBe('/r/k3m9x2qa#e2ee=s3cret');
    });
    // Back leads to where one was before, not to signing in again.
    expect(window.history.length).toBe(pages);
    const login = asked.find((one) => one.path === '/api/accounts/login');
    expect(login?.body).toEqual({ login: 'ada', password: 's3cret pass' });
    expect(JSON.stringify(asked)).not.toContain('e2ee');
  });

  it('says in the server’s words why not, beside the field', async () => {
    respond({
      'GET /api/info': info(both),
      'POST /api/accounts/login': {
        status: 401,
        body: { error: { code: 'wrong_login', message: 'the login or the password is wrong' } },
      },
    });
    render(<SignIn search="" />);
    await userEvent.type(screen.getByLabelText('Login'), 'ada');
    await userEvent.type(screen.getByLabelText('Password'), 'nope{Enter}');
    expect(await screen.findByRole('alert')).toHaveTextContent('The login or the password');
    expect(window.location.pathname).toBe('/signin');
  });

  it('offers the provider by name, and the way on as a guest', async () => {
    respond({ 'GET /api/info': info(both) });
    render(<SignIn search="" />);
    expect(await screen.findByRole('button', { name: 'Continue with Example ID' })).toBeVisible();
    await userEvent.click(screen.getByTestId('guest-path'));
    expect(window.location.pathname).toBe('/');
  });

  it('a provider that refused is not a silent page', async () => {
    respond({ 'GET /api/info': info(both, false) });
    render(<SignIn search="?error=access_denied" />);
    expect(await screen.findByRole('alert')).toHaveTextContent('did not let you in');
    await screen.findByText(/Example ID/);
    expect(screen.queryByTestId('guest-path')).toBeNull();
  });

  it('a server without accounts says so', async () => {
    respond({ 'GET /api/info': info({ enabled: false, registration: false, oidc: null }) });
    render(<SignIn search="" />);
    expect(await screen.findByText(/everybody is a guest/)).toBeVisible();
    expect(screen.queryByLabelText('Password')).toBeNull();
  });
});
