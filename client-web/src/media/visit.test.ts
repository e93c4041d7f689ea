import { expect, it, vi } from 'vitest';
import { ApiError } from '../api/errors';
import type { Visitor } from '../api/client';
import type { JoinAnswer } from '../api/types';
import { visit } from './visit';

const who: Visitor = { name: 'Ada', identity: 'ada-7f3k', host_key: 'k', password: 's3cret' };
const wait: JoinAnswer = { waiting: { ticket: 't', position: 1 } };

it('leaves out what the room does not take, one after the other', async () => {
  const join = vi
    .fn<(who: Visitor) => Promise<JoinAnswer>>()
    .mockRejectedValueOnce(new ApiError(403, 'wrong_host_key', 'no'))
    .mockRejectedValueOnce(new ApiError(409, 'identity_taken', 'no'))
    .mockResolvedValue(wait);
  expect(await visit(join, who)).toBe(wait);
  expect(join.mock.calls.map(([one]) => [one.host_key, one.identity])).toEqual([
    ['k', 'ada-7f3k'],
    [undefined, 'ada-7f3k'],
    [undefined, undefined],
  ]);
  expect(join).toHaveBeenLastCalledWith(expect.objectContaining({ password: 's3cret' }));
});

it('asks no further once there is nothing to leave out', async () => {
  const join = vi.fn(() => Promise.reject(new ApiError(409, 'identity_taken', 'no')));
  await expect(visit(join, { name: 'Ada' })).rejects.toMatchObject({ code: 'identity_taken' });
  expect(join).toHaveBeenCalledOnce();
});
