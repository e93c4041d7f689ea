import { describe, expect, it } from 'vitest';
import { loaded, openBook, renewed, stopped } from './addresses';

const answer = (from: string, untilMs: number) => ({
  expires_at: untilMs,
  files: ['a', 'b'].map((name) => ({ name, url: `${from}/${name}` })),
});
const stop = (book: ReturnType<typeof openBook>, file = 'a', nowMs = 0) =>
  stopped(book, file, false, nowMs);

describe('the addresses of files', () => {
  it('are replaced one by one', () => {
    const waiting = stop(openBook(answer('1', 300_000)));
    expect([...waiting.waiting]).toEqual(['a']);
    const book = renewed(waiting, answer('2', 600_000));
    expect([...book.inUse.values()]).toEqual(['2/a', '1/b']);
    expect(book.waiting.size).toBe(0);
    expect(stop(book, 'b').inUse.get('b')).toBe('2/b');
    // Too near its end to begin with.
    expect([...stop(book, 'b', 599_000).waiting]).toEqual(['b']);
  });

  it('are tried once more where they are the same, as those of one second are', () => {
    const book = renewed(stop(openBook(answer('1', 300_000))), answer('1', 300_000));
    expect([...book.inUse.values()]).toEqual(['1/a#again', '1/b']);
    expect([book.broken.size, book.waiting.size]).toEqual([0, 0]);
  });

  it('are asked for again and again for a file that plays', () => {
    let book = openBook(answer('0', 0));
    for (let round = 1; round < 20; round++) {
      book = loaded(renewed(stop(book), answer(String(round), 0)), 'a');
      expect(book.inUse.get('a')).toBe(`${String(round)}/a`);
    }
    expect(book.broken.size).toBe(0);
  });

  it.each([
    ['never did, with two of them', stop(renewed(stop(openBook(answer('1', 9))), answer('2', 9)))],
    ['got the same again', stop(renewed(stop(openBook(answer('1', 9))), answer('1', 9)))],
    ['is gone', renewed(stop(openBook(answer('1', 9))), { expires_at: 9, files: [] })],
    ['is nothing that can be played', stopped(openBook(answer('1', 9)), 'a', true, 0)],
    ['never was there', stop(openBook({ expires_at: 9, files: [] }))],
  ])('are not asked for again for a file that %s', (_, book) => {
    expect([...book.broken]).toEqual(['a']);
    expect(book.waiting.size).toBe(0);
  });
});
