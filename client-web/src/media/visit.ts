/** Asking to be let in with all that this tab remembers of the room; what it does not take is left out. */
import type { Visitor } from '../api/client';
import { ApiError } from '../api/errors';
import type { JoinAnswer } from '../api/types';

/**
 * A room may be another one than the tab remembers, under the same id: then the key of its host is of no
 * use, and the identity may be somebody's who cannot be told from a stranger by it.
 */
export async function visit(
  join: (who: Visitor) => Promise<JoinAnswer>,
  who: Visitor,
): Promise<JoinAnswer> {
  try {
    return await join(who);
  } catch (error) {
    const without = error instanceof ApiError ? LEFT_OUT[error.code] : undefined;
    if (without === undefined || who[without] === undefined) throw error;
    return visit(join, { ...who, [without]: undefined });
  }
}

const LEFT_OUT: Partial<Record<string, 'identity' | 'host_key'>> = {
  identity_taken: 'identity',
  wrong_host_key: 'host_key',
};
