import { vi } from 'vitest';

type Answer = { status: number; body: unknown } | 'unreachable';

/** Replaces fetch by a table from "GET /api/info" to an answer; returns what was asked. */
export function respond(
  table: Record<string, Answer>,
): { method: string; path: string; body: unknown; headers: HeadersInit }[] {
  const asked: { method: string; path: string; body: unknown; headers: HeadersInit }[] = [];
  vi.stubGlobal('fetch', (path: string, init: RequestInit = {}) => {
    const method = init.method ?? 'GET';
    const sent: unknown = typeof init.body === 'string' ? JSON.parse(init.body) : undefined;
    asked.push({ method, path, body: sent, headers: init.headers ?? {} });
    const answer = table[`${method} ${path}`];
    if (answer === undefined || answer === 'unreachable') {
      return Promise.reject(new TypeError('Failed to fetch'));
    }
    const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body);
    // A Response of these kinds may not have a body, not even an empty one.
    const body = answer.status === 204 ? null : text;
    return Promise.resolve(new Response(body, { status: answer.status }));
  });
  return asked;
}
