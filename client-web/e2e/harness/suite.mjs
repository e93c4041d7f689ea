/** What the areas of the suite share: one server, and one browser of each kind, started when first asked for. */
import assert from 'node:assert/strict';
import { after, before } from 'node:test';

import { Browser } from './browsers.mjs';
import { SdkGuest, servePages } from './sdk.mjs';
import { Server } from './server.mjs';

/** @type {Map<string, Promise<Browser>>} */
const browsers = new Map();
/** @type {Promise<Server> | undefined} */
let shared;
/** @type {Set<import('./browsers.mjs').Page>} */
const pages = new Set();

/** The browser of that kind; a page it opens is closed after the test. @param {import('./browsers.mjs').Kind} kind */
export function browser(kind) {
  const found = browsers.get(kind) ?? launch(kind);
  browsers.set(kind, found);
  return found;
}

/** @param {import('./browsers.mjs').Kind} kind */
async function launch(kind) {
  const launched = await Browser.launch(kind);
  const open = launched.open.bind(launched);
  launched.open = async (...parameters) => {
    const page = await open(...parameters);
    pages.add(page);
    return page;
  };
  return launched;
}

/** The server that all areas use. */
export function server() {
  shared ??= Server.start();
  return shared;
}

/** Rooms of an area whose guests are on bare pages, which are served while its tests run. @param {string} area */
export function bareRooms(area) {
  /** @type {Awaited<ReturnType<typeof servePages>>} */
  let pages;
  before(async () => {
    pages = await servePages();
  });
  after(() => pages?.close());
  let rooms = 0;
  return {
    /** A name that no other test has. */
    newRoom: () => `${area}-${process.pid}-${++rooms}`,
    /** @param {string} room @param {string} identity @param {import('./sdk.mjs').Way} way @param {object} [options] as of `SdkGuest.join`, and `kind` of browser */
    join: async (room, identity, way, { kind = 'chromium', ...options } = {}) =>
      SdkGuest.join(await browser(kind), pages, await server(), room, identity, way, options),
  };
}

/** Closes the pages of a test; with SLUICE_VERBOSE it shows first what they said. */
export async function closePages() {
  for (const page of pages) if (process.env.SLUICE_VERBOSE) console.error(page.console.join('\n'));
  await Promise.allSettled([...pages].map((page) => page.close()));
  pages.clear();
}

/** To be called once by the main file: ends what was started. */
export function cleanUp() {
  after(async () => {
    for (const launched of browsers.values()) await (await launched).close();
    const running = await shared;
    if (!running) return;
    const code = await running.stop();
    if (process.env.SLUICE_VERBOSE) console.error(running.log);
    assert.ok(!running.log.includes('panicked'), `the server panicked:\n${running.log}`);
    assert.equal(code, 0, 'the server ends well');
  });
}
