/**
 * One request to the native API. Knows HTTP and JSON, and nothing about pages or media. Every failure
 * is an `ApiError` (the server said no) or an `UnreachableError` (nobody answered).
 */
import { ApiError, UnreachableError } from './errors';

/** A signal to give up waiting. Ten seconds: a person has long started to wonder by then. */
const TIMEOUT_MS = 10_000;
/** A file of a long session takes a while on a slow line, and the browser shows nothing of it yet. */
const FILE_TIMEOUT_MS = 120_000;

export interface Asking {
  body?: unknown;
  /** A participant's or an account's token. */
  token?: string | undefined;
  /** Parameters of the address; those that are `undefined` are left out. */
  query?: Record<string, string | number | undefined>;
  /** Lets the question outlive a page that is closing. */
  keepalive?: boolean;
}

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

/** Asks for JSON. An empty answer (204) is `undefined`. */
export async function request<T>(method: Method, path: string, asking: Asking = {}): Promise<T> {
  const response = await send(method, path, asking);
  if (response.status === 204) return undefined as T;
  const json = await readJson(response);
  if (!response.ok) throw toApiError(response.status, json);
  // A captive portal or an SPA fallback answers 200 with a page: that is not our server talking.
  if (json === undefined) throw new UnreachableError('The answer was not JSON.');
  return json as T;
}

/** Asks for a file, whatever is in it. */
export async function requestFile(path: string, asking: Asking = {}): Promise<Blob> {
  const response = await send('GET', path, asking, FILE_TIMEOUT_MS);
  if (!response.ok) throw toApiError(response.status, await readJson(response));
  try {
    return await response.blob();
  } catch (cause) {
    throw new UnreachableError('The file did not come to its end.', { cause });
  }
}

async function send(
  method: Method,
  path: string,
  asking: Asking,
  timeoutMs = TIMEOUT_MS,
): Promise<Response> {
  const { body, token, query = {}, keepalive } = asking;
  const headers: Record<string, string> = {};
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (token !== undefined) headers.authorization = `Bearer ${token}`;
  try {
    return await fetch(path + search(query), {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(keepalive === undefined ? {} : { keepalive }),
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch (cause) {
    throw new UnreachableError('The server did not answer.', { cause });
  }
}

function search(query: Record<string, string | number | undefined>): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
}

async function readJson(response: Response): Promise<unknown> {
  try {
    return await response.json();
  } catch {
    return undefined;
  }
}

function toApiError(status: number, json: unknown): ApiError | UnreachableError {
  const error = (
    json as { error?: { code?: string; message?: string; request_id?: string } } | undefined
  )?.error;
  // A proxy in front of a server that is down answers 502, 503 or 504 without our error body.
  if (error?.code === undefined && status >= 502 && status <= 504) {
    return new UnreachableError(`A gateway answered ${String(status)}.`);
  }
  return new ApiError(
    status,
    error?.code ?? `http_${String(status)}`,
    error?.message ?? 'The server refused without saying why.',
    error?.request_id,
  );
}
