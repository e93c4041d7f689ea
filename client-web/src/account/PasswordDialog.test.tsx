import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { afterEach, expect, it, vi } from 'vitest';
import { respond } from '../test/respond';
import { account } from './account';
import { PasswordDialog } from './PasswordDialog';

const ada = { id: 'u', login: 'ada', name: 'Ada', roles: [], disabled: false, created_at: 0 };
const signedIn = (access_token: string) => ({
  status: 200,
  body: { access_token, expires_in_s: 900, user: ada },
});

// The account is the page's, as in a browser: the test leaves as a guest.
afterEach(async () => {
  respond({ 'POST /api/accounts/logout': { status: 204, body: '' } });
  await account.signOut();
  localStorage.clear();
});

it('a new password ends the token one had: one goes on with the new one', async () => {
  const asked = respond({
    'POST /api/accounts/login': signedIn('before'),
    'POST /api/accounts/password': signedIn('after'),
  });
  await account.signIn('ada', 'old password');
  const onClose = vi.fn();
  render(<PasswordDialog onClose={onClose} />);
  await userEvent.type(screen.getByLabelText('Password until now'), 'old password');
  await userEvent.type(screen.getByLabelText('New password'), 'new password{Enter}');
  await waitFor(() => {
    expect(onClose).toHaveBeenCalledOnce();
  });
  expect(asked.at(-1)).toMatchObject({
    body: { old: 'old password', new: 'new password' },
    headers: { authorization: 'Bearer before' },
  });
  expect(await account.token()).toBe('after');
});
