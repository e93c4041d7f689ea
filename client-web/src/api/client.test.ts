import { describe, expect, it, vi } from 'vitest';
import { respond } from '../test/respond';
import { api } from './client';
import { ApiError, UnreachableError } from './errors';
import { request, requestFile } from './http';

const weekly = {
  id: 'k3m9x2qa',
  name: 'Weekly',
  num_participants: 0,
  max_participants: 0,
  created_at: 1,
};

describe('the native API client', () => {
  it('creates a room with its trimmed name', async () => {
    const asked = respond({ 'POST /api/rooms': { status: 201, body: weekly } });
    expect((await api.createRoom({ name: '  Weekly ' })).id).toBe('k3m9x2qa');
    expect(asked).toMatchObject([{ method: 'POST', path: '/api/rooms', body: { name: 'Weekly' } }]);
  });

  it('sends no name when none was given, rather than an empty one', async () => {
    const asked = respond({ 'POST /api/rooms': { status: 201, body: weekly } });
    await api.createRoom({ name: '   ', password: '' });
    expect(asked[0]?.body).toEqual({});
  });

  it('escapes an id, so that a strange link cannot reach another endpoint', async () => {
    const asked = respond({});
    await api.room('../info').catch(() => undefined);
    expect(asked[0]?.path).toBe('/api/rooms/..%2Finfo');
  });

  it('joins as the identity this tab had before', async () => {
    const asked = respond({
      'POST /api/rooms/k3m9x2qa/join': {
        status: 200,
        body: { token: 't', url: 'ws://x', identity: 'ada-7f3k', room: weekly },
      },
    });
    const grant = await api.join('k3m9x2qa', { name: 'Ada', identity: 'ada-7f3k' });
    expect(grant).toMatchObject({ token: 't' });
    expect(asked[0]?.body).toEqual({ name: 'Ada', identity: 'ada-7f3k' });
  });

  it('looks the room up when the grant names it by its id alone', async () => {
    respond({
      'POST /api/rooms/k3m9x2qa/join': {
        status: 200,
        body: { token: 't', url: 'ws://x', identity: 'ada-7f3k', room: 'k3m9x2qa' },
      },
      'GET /api/rooms/k3m9x2qa': { status: 200, body: { ...weekly, full: false } },
    });
    const grant = await api.join('k3m9x2qa', { name: 'Ada' });
    expect(grant).toMatchObject({ room: { name: 'Weekly' } });
  });

  it('shows the password, the key of a host and the account, and may have to wait', async () => {
    const asked = respond({
      'POST /api/rooms/k3m9x2qa/join': {
        status: 202,
        body: { waiting: { ticket: 't-1', position: 3 } },
      },
      'GET /api/rooms/k3m9x2qa/lobby/t-1': {
        status: 200,
        body: { state: 'admitted', token: 't', url: 'ws://x', identity: 'ada-7f3k', room: weekly },
      },
      'DELETE /api/rooms/k3m9x2qa/lobby/t-1': { status: 204, body: '' },
    });
    const who = { name: 'Ada', password: 's3cret', host_key: 'k' };
    expect(await api.join('k3m9x2qa', who, 'of-ada')).toEqual({
      waiting: { ticket: 't-1', position: 3 },
    });
    expect(asked[0]).toMatchObject({ body: who, headers: { authorization: 'Bearer of-ada' } });
    expect(await api.lobby('k3m9x2qa', 't-1')).toMatchObject({ state: 'admitted', token: 't' });
    expect(await api.withdraw('k3m9x2qa', 't-1')).toBeUndefined();
  });

  it('asks about oneself with the token of the call', async () => {
    const path = '/api/rooms/k3m9x2qa/subscriptions/ada%2F7f3k';
    const asked = respond({ [`GET ${path}`]: { status: 200, body: { tracks: [] } } });
    expect((await api.explain('k3m9x2qa', 'ada/7f3k', 's3cret')).tracks).toEqual([]);
    expect(asked[0]).toMatchObject({ path, headers: { authorization: 'Bearer s3cret' } });
  });

  it('a room that echoes its id as its name has no name', async () => {
    respond({ 'POST /api/rooms': { status: 201, body: { ...weekly, name: weekly.id } } });
    expect((await api.createRoom({})).name).toBe('');
  });

  it('turns a refusal into an ApiError with the code and the reference', async () => {
    respond({
      'GET /api/rooms/k3m9x2qa': {
        status: 404,
        body: {
          error: { code: 'room_not_found', message: 'No room k3m9x2qa.', request_id: 'r-1' },
        },
      },
    });
    const error = await api.room('k3m9x2qa').catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ApiError);
    expect(error).toMatchObject({ code: 'room_not_found', status: 404, requestId: 'r-1' });
  });

  it('calls a dead network, a gateway page and a captive portal all unreachable', async () => {
    respond({ 'GET /api/info': 'unreachable' });
    await expect(api.info()).rejects.toBeInstanceOf(UnreachableError);
    respond({ 'GET /api/info': { status: 502, body: '<html>Bad gateway</html>' } });
    await expect(api.info()).rejects.toBeInstanceOf(UnreachableError);
    respond({ 'GET /api/info': { status: 200, body: '<html>Please log in</html>' } });
    await expect(api.info()).rejects.toBeInstanceOf(UnreachableError);
  });

  it('a file that breaks off is a network that did, not an empty file', async () => {
    vi.stubGlobal('fetch', () =>
      Promise.resolve(
        new Response(
          new ReadableStream({
            pull(controller) {
              controller.error(new TypeError('network error'));
            },
          }),
        ),
      ),
    );
    await expect(requestFile('/api/sessions')).rejects.toBeInstanceOf(UnreachableError);
  });

  it('waits longer for a file than for an answer', async () => {
    const timeout = vi.spyOn(AbortSignal, 'timeout');
    respond({ 'GET /api/sessions': { status: 200, body: 'a,b' } });
    await requestFile('/api/sessions');
    expect(timeout.mock.lastCall?.[0]).toBeGreaterThanOrEqual(60_000);
    await request('GET', '/api/sessions').catch(() => undefined);
    expect(timeout).toHaveBeenLastCalledWith(10_000);
  });

  it('believes a 503 that carries our own error body', async () => {
    respond({
      'GET /api/info': {
        status: 503,
        body: { error: { code: 'draining', message: 'Going away.' } },
      },
    });
    await expect(api.info()).rejects.toMatchObject({ code: 'draining' });
  });
});
