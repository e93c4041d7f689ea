import { render, screen, within } from '@testing-library/react';
import userEvent from '@testing-library/user-event';
import { describe, expect, it } from 'vitest';
import { respond } from '../../test/respond';
import Dashboard from './Dashboard';

const ok = (body: unknown) => ({ status: 200, body });
const info = { 'GET /api/info': ok({ name: 'sluice', version: '0', dev: true }) };
const system = {
  sessions: {
    active: 1,
    total: 7,
    avgDuration: 93,
    qualityDistribution: { excellent: 3, good: 1, fair: 0, poor: 0 },
  },
  performance: { cpuUsage: 34, memoryUsage: 1e8, networkBandwidth: 2e6, diskUsage: 5e9 },
  errors: { connectionFailures: 2, audioIssues: 0, videoIssues: 0, systemErrors: 0 },
  node: { id: 'ND_1', version: '0.1.0', uptime_s: 3600, rooms: 1, participants: 4, able: true },
};

describe('the dashboard', () => {
  it('shows how the server is and was', async () => {
    respond({
      ...info,
      'GET /api/system': ok(system),
      'GET /api/system/history?minutes=60': ok({
        samples: [
          {
            at: 0,
            cpuUsage: 20,
            memoryUsage: 1e8,
            networkBandwidth: 1e6,
            rooms: 1,
            participants: 2,
          },
        ],
      }),
    });
    render(<Dashboard tab="overview" />);
    expect(await screen.findByTestId('admin-figures')).toHaveTextContent('Participants4');
    expect(await screen.findByRole('img', { name: /Processor: .*last 20 %/ })).toBeVisible();
    expect(screen.getByText('Excellent').parentElement).toHaveTextContent('75 %');
    expect(screen.getByTestId('admin-overview')).toHaveAttribute('aria-current', 'page');
  });

  it('is not for everybody', async () => {
    const refusal = { error: { code: 'not_permitted', message: 'no' } };
    respond({ ...info, 'GET /api/system': { status: 403, body: refusal } });
    render(<Dashboard tab="overview" />);
    expect(await screen.findByTestId('access-note')).toHaveTextContent('not for your account');
  });

  it('ends a room, asked twice', async () => {
    const asked = respond({
      ...info,
      'GET /api/rooms': ok({
        rooms: [
          {
            id: 'k3m9x2qa',
            name: 'Weekly',
            num_participants: 3,
            max_participants: 0,
            created_at: 0,
            lobby: true,
            lasting: true,
            live: true,
          },
        ],
      }),
      'POST /api/rooms/k3m9x2qa/end': ok({}),
    });
    render(<Dashboard tab="rooms" />);
    expect(await screen.findByTestId('admin-room')).toHaveTextContent(/Weekly.*lobby.*kept/);
    await userEvent.click(screen.getByRole('button', { name: 'End Weekly' }));
    await userEvent.click(screen.getByRole('button', { name: 'End for all' }));
    expect(asked.some((one) => one.path === '/api/rooms/k3m9x2qa/end')).toBe(true);
  });

  it('follows the end of the event log, the newest first', async () => {
    const event = (number: number) => ({
      number,
      kind: 'participant_joined',
      at: 0,
      room: 'k3m9x2qa',
      event: { participant: { name: `P${String(number)}` } },
    });
    respond({
      ...info,
      'GET /api/events?after=0&limit=1': ok({ events: [], more: true, oldest: 1, newest: 900 }),
      'GET /api/events?after=800&limit=100': ok({ events: [event(899), event(900)], more: false }),
    });
    render(<Dashboard tab="events" />);
    const rows = await screen.findAllByTestId('event-row');
    expect(rows[0]).toHaveTextContent('900');
    expect(rows[0]).toHaveTextContent('P900');
  });

  it('jumps to the end of the log when more happens than one can follow', async () => {
    const event = (number: number) => ({ number, kind: 'room_started', at: 0 });
    respond({
      ...info,
      'GET /api/events?after=0&limit=1': ok({ events: [], more: true, oldest: 1, newest: 900 }),
      'GET /api/events?after=800&limit=100': ok({
        events: [event(801), event(900)],
        more: true,
        newest: 5000,
      }),
      'GET /api/events?after=4900&limit=100': ok({ events: [event(5000)], more: false }),
    });
    render(<Dashboard tab="events" />);
    const rows = await screen.findAllByTestId('event-row');
    expect(rows).toHaveLength(1);
    expect(rows[0]).toHaveTextContent('5000');
  });

  it('shows the settings in force', async () => {
    respond({ ...info, 'GET /api/system/settings': ok({ auth: { secret: 'set' } }) });
    render(<Dashboard tab="settings" />);
    expect(await screen.findByRole('region', { name: 'auth' })).toHaveTextContent('secretset');
  });

  it('adds and disables users', async () => {
    const ada = {
      id: 'u1',
      login: 'ada',
      name: 'Ada',
      roles: [],
      disabled: false,
      created_at: 0,
    };
    const zoe = { ...ada, id: 'u2', login: 'zoe' };
    const asked = respond({
      ...info,
      'GET /api/users?limit=1000': ok({ users: [ada], more: true }),
      'GET /api/users?limit=1000&after=ada': ok({ users: [zoe], more: false }),
      'POST /api/users': { status: 201, body: ada },
      'PATCH /api/users/u1': ok({ ...ada, disabled: true }),
    });
    render(<Dashboard tab="users" />);
    // Those after the first answer as well.
    expect(await screen.findByRole('button', { name: 'Actions for zoe' })).toBeVisible();
    await userEvent.click(await screen.findByRole('button', { name: 'Actions for ada' }));
    await userEvent.click(screen.getByRole('menuitem', { name: 'Disable' }));
    expect(asked.find((one) => one.method === 'PATCH')?.body).toEqual({ disabled: true });

    await userEvent.click(screen.getByTestId('user-add'));
    const dialog = within(screen.getByRole('dialog'));
    // One can type at once.
    expect(dialog.getByLabelText('Login')).toHaveFocus();
    await userEvent.type(dialog.getByLabelText('Login'), 'grace');
    await userEvent.type(dialog.getByLabelText('Password'), 's3cret pass');
    await userEvent.type(dialog.getByLabelText(/Roles/), 'admin, therapist');
    await userEvent.click(dialog.getByTestId('user-confirm'));
    expect(asked.find((one) => one.method === 'POST')?.body).toEqual({
      login: 'grace',
      password: 's3cret pass',
      roles: ['admin', 'therapist'],
    });
  });
});
