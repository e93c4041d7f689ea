import { describe, expect, it } from 'vitest';
import { ApiError, UnreachableError } from '../api/errors';
import { failureFromApi, inWords } from './failure';

describe('what the native API refuses', () => {
  it.each([
    ['room_not_found', 404, 'room_not_found', 'check'],
    ['room_full', 409, 'room_full', 'check'],
    ['bad_name', 400, 'bad_name', 'check'],
    ['no_token', 401, 'signed_out', 'sign_in'],
    ['bad_token', 401, 'token_rejected', 'join'],
    ['not_permitted', 403, 'not_permitted', 'none'],
  ])('%s', (code, status, kind, retry) => {
    expect(failureFromApi(new ApiError(status, code, 'why'))).toMatchObject({ kind, retry });
  });

  it('a name is refused in the server’s own words', () => {
    const error = new ApiError(400, 'bad_name', 'Names have at most 64 characters.');
    expect(failureFromApi(error)?.advice).toBe('Names have at most 64 characters.');
  });

  it('a code we do not know passes on the sentence and the reference', () => {
    const error = new ApiError(429, 'too_many_rooms', 'Wait a minute.', 'r-42');
    expect(failureFromApi(error)).toMatchObject({
      kind: 'unknown',
      advice: 'Wait a minute. (reference r-42)',
    });
  });

  it('begins a sentence of the server as a sentence', () => {
    const error = new ApiError(400, 'bad_name', 'a name has 1 to 64 letters');
    expect(inWords(error)).toBe('That name does not work. A name has 1 to 64 letters');
  });

  it('what a server does not offer is no fault of its', () => {
    const error = new ApiError(501, 'not_offered', 'nothing is encoded anew here');
    expect(inWords(error)).toBe('Nothing is encoded anew here');
    expect(inWords(new ApiError(500, 'internal', 'why'))).toMatch(/^Something went wrong/);
  });

  it('silence is not a refusal', () => {
    expect(failureFromApi(new UnreachableError('x'))?.kind).toBe('server_unreachable');
  });

  it('leaves other errors to those who know them', () => {
    expect(failureFromApi(new Error('x'))).toBeUndefined();
  });
});
