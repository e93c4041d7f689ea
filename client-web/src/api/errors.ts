/** The server answered, and the answer is no. */
export class ApiError extends Error {
  override readonly name = 'ApiError';

  constructor(
    readonly status: number,
    /** The server's machine-readable code, such as `room_not_found`; `http_<status>` when it gave none. */
    readonly code: string,
    message: string,
    /** What to quote to an operator. */
    readonly requestId?: string,
  ) {
    super(message);
  }
}

/** Nothing answered, or what answered is not a Sluice server. */
export class UnreachableError extends Error {
  override readonly name = 'UnreachableError';
}

/** One has to sign in, or to be somebody else: asking again changes nothing. */
export function isDenied(error: unknown): error is ApiError {
  return error instanceof ApiError && (error.status === 401 || error.status === 403);
}
