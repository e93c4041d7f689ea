import { render, screen, waitFor } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { beforeEach, describe, expect, it } from 'vitest';
import { HostKeys } from '../state/hostKeys';
import { respond } from '../test/respond';
import { Home } from './Home';

const weekly = {
  id: 'k3m9x2qa',
  name: 'Weekly',
  num_participants: 2,
  max_participants: 0,
  created_at: 1,
};
const info = (dev: boolean) => ({ status: 200, body: { name: 'sluice', version: '0.1.0', dev } });
const address = () => window.location.pathname + window.location.hash;

beforeEach(() => {
  window.history.replaceState(null, '', '/');
});

describe('starting a room', () => {
  it('encrypted, it keeps no chat, also when that was chosen first', async () => {
    const asked = respond({ 'POST /api/rooms': { status: 201, body: weekly } });
    render(<Home />);
    await userEvent.click(screen.getByText('Who gets in, what is kept'));
    await userEvent.click(screen.getByTestId('home-keeps-chat'));
    expect(screen.getByText('chat kept')).toBeVisible();
    await userEvent.click(screen.getByTestId('home-e2ee'));
    expect(screen.queryByText('chat kept')).toBeNull();
    await userEvent.click(screen.getByTestId('home-create'));
    await waitFor(() => {
      expect(asked.find((one) => one.method === 'POST')?.body).toEqual({});
    });
  });

  it('who has to sign in first comes back here, not to where they once were', async () => {
    respond({
      'GET /api/info': {
        status: 200,
        body: { name: 'x', version: '0', dev: false, guests: false },
      },
    });
    sessionStorage.setItem('sluice.next', '/admin');
    render(<Home />);
    await userEvent.click(await screen.findByTestId('home-sign-in'));
    expect(sessionStorage.getItem('sluice.next')).toBe('/');
  });

  it('goes to the room it made', async () => {
    const asked = respond({ 'POST /api/rooms': { status: 201, body: weekly } });
    render(<Home />);
    await userEvent.type(screen.getByLabelText(/Room name/), 'Weekly');
    await userEvent.click(screen.getByTestId('home-create'));
    await waitFor(() => {
      expect(address()).toBe('/r/k3m9x2qa');
    });
    expect(asked.find((one) => one.method === 'POST')?.body).toEqual({ name: 'Weekly' });
  });

  it('encrypted: the key is in the fragment and the server never hears of it', async () => {
    const asked = respond({ 'POST /api/rooms': { status: 201, body: weekly } });
    render(<Home />);
    await userEvent.click(screen.getByRole('switch', { name: /End-to-end/ }));
    await userEvent.click(screen.getByTestId('home-create'));
    await waitFor(() => {
      expect(address()).toMatch(/^\/r\/k3m9x2qa#e2ee=[A-Za-z0-9_-]{43}$/);
    });
    const key = window.location.hash.replace('#e2ee=', '');
    expect(JSON.stringify(asked)).not.toContain(key);
  });

  it('as one wishes it: folded away, and its key makes one its host', async () => {
    const asked = respond({
      'POST /api/rooms': { status: 201, body: { ...weekly, host_key: 'h0st' } },
    });
    render(<Home />);
    await userEvent.click(screen.getByText('Who gets in, what is kept'));
    await userEvent.type(screen.getByLabelText(/Password/), 's3cret');
    await userEvent.click(screen.getByRole('switch', { name: 'Lobby' }));
    expect(screen.getByText('password, lobby')).toBeVisible();
    // Without an account there is nobody to keep a room for.
    expect(screen.queryByTestId('home-lasting')).toBeNull();
    await userEvent.click(screen.getByTestId('home-create'));
    await waitFor(() => {
      expect(address()).toBe('/r/k3m9x2qa');
    });
    expect(asked.find((one) => one.method === 'POST')?.body).toEqual({
      password: 's3cret',
      lobby: true,
    });
    expect(new HostKeys(localStorage).recall('k3m9x2qa')).toBe('h0st');
  });

  it('where guests start no rooms, the way in is shown instead', async () => {
    respond({
      'GET /api/info': {
        status: 200,
        body: { ...info(false).body, guests: false, accounts: { enabled: true } },
      },
    });
    render(<Home />);
    await userEvent.click(await screen.findByTestId('home-sign-in'));
    expect(address()).toBe('/signin');
    expect(screen.queryByTestId('home-create')).toBeNull();
  });

  it('says what to do when the server is away, and lets one try again', async () => {
    respond({});
    render(<Home />);
    await userEvent.click(screen.getByTestId('home-create'));
    expect(await screen.findByRole('alert')).toHaveTextContent('The server is not answering');
    expect(address()).toBe('/');
    respond({ 'POST /api/rooms': { status: 201, body: weekly } });
    await userEvent.click(screen.getByTestId('home-create'));
    await waitFor(() => {
      expect(address()).toBe('/r/k3m9x2qa');
    });
  });
});

describe('joining from the home page', () => {
  it('takes an id, on Enter', async () => {
    respond({});
    render(<Home />);
    await userEvent.type(screen.getByTestId('home-join-input'), 'K3M9 x2qa{Enter}');
    expect(address()).toBe('/r/k3m9x2qa');
  });

  it('explains what it does not understand, until one types again', async () => {
    respond({});
    render(<Home />);
    await userEvent.type(screen.getByTestId('home-join-input'), 'k3m9');
    await userEvent.click(screen.getByTestId('home-join'));
    expect(screen.getByRole('alert')).toHaveTextContent('eight-character');
    await userEvent.type(screen.getByTestId('home-join-input'), 'x');
    expect(screen.queryByRole('alert')).toBeNull();
  });
});

describe('live rooms', () => {
  it('are listed in development mode', async () => {
    respond({
      'GET /api/info': info(true),
      'GET /api/rooms': { status: 200, body: { rooms: [weekly] } },
    });
    render(<Home />);
    expect(await screen.findByRole('link', { name: /Weekly.*2 people/ })).toHaveAttribute(
      'href',
      '/r/k3m9x2qa',
    );
  });

  it('are not even asked for elsewhere', async () => {
    const asked = respond({ 'GET /api/info': info(false) });
    render(<Home />);
    await waitFor(() => {
      expect(asked).toHaveLength(1);
    });
    expect(screen.queryByText('Live rooms')).toBeNull();
  });
});
