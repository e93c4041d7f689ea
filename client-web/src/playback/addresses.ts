/**
 * Which address each file of a recording is played from. Addresses are good for minutes; one that stops working is
 * replaced, the others stay as they are, so that what plays goes on playing. Pure; `useAddresses` asks for new ones.
 */
import type { Addresses } from '../api/recordings';

export interface AddressBook {
  readonly inUse: ReadonlyMap<string, string>;
  /** The newest answer. */
  readonly newest: ReadonlyMap<string, string>;
  readonly untilMs: number;
  /** Files that stopped, and wait for new addresses. */
  readonly waiting: ReadonlySet<string>;
  /** Files whose address was replaced and has shown nothing yet. */
  readonly replaced: ReadonlySet<string>;
  /** Files that are not to be played, with whatever address: gone, or in a codec this browser lacks. */
  readonly broken: ReadonlySet<string>;
}

/** An address that is as near its end is not begun with. */
const MARGIN_MS = 10_000;

export function openBook({ files, expires_at }: Addresses): AddressBook {
  const newest = new Map(files.map(({ name, url }) => [name, url]));
  const none: ReadonlySet<string> = new Set();
  return {
    inUse: newest,
    newest,
    untilMs: expires_at,
    waiting: none,
    replaced: none,
    broken: none,
  };
}

/** The file is there: whatever happens to it later may be its address again. */
export function loaded(book: AddressBook, file: string): AddressBook {
  return book.replaced.has(file) ? { ...book, replaced: without(book.replaced, file) } : book;
}

/** The file stopped. `undecodable`: what came was understood to be nothing that can be played. */
export function stopped(
  book: AddressBook,
  file: string,
  undecodable: boolean,
  nowMs: number,
): AddressBook {
  const newest = book.newest.get(file);
  if (undecodable || newest === undefined) return { ...book, broken: and(book.broken, file) };
  const isNewer = newest !== book.inUse.get(file);
  if (isNewer && nowMs + MARGIN_MS < book.untilMs) return replace(book, file, newest);
  if (book.replaced.has(file)) return { ...book, broken: and(book.broken, file) };
  return { ...book, waiting: and(book.waiting, file) };
}

/** New addresses: those that waited for them take them. */
export function renewed(book: AddressBook, addresses: Addresses): AddressBook {
  const { newest, untilMs } = openBook(addresses);
  const given = [...newest].map(([file, url]): [string, string] => [
    file,
    book.waiting.has(file) ? toldAnew(url, book.inUse.get(file)) : url,
  ]);
  const begin: AddressBook = { ...book, newest: new Map(given), untilMs, waiting: new Set() };
  return [...book.waiting].reduce((before, file) => {
    const url = before.newest.get(file);
    return url === undefined
      ? { ...before, broken: and(before.broken, file) }
      : replace(before, file, url);
  }, begin);
}

/**
 * An address in place of another. Those of one second are the same, and an element that is told what it has does nothing:
 * a fragment, which no server sees, makes it begin anew.
 */
export function toldAnew(url: string, before: string | undefined): string {
  return url === before ? `${url}#again` : url;
}

function replace(book: AddressBook, file: string, url: string): AddressBook {
  return {
    ...book,
    inUse: new Map([...book.inUse, [file, url]]),
    replaced: and(book.replaced, file),
  };
}

function and(set: ReadonlySet<string>, one: string): ReadonlySet<string> {
  return new Set([...set, one]);
}

function without(set: ReadonlySet<string>, one: string): ReadonlySet<string> {
  return new Set([...set].filter((other) => other !== one));
}
