/** Bare pages with an SDK on them, and the people there. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

import { Person } from './call.mjs';
import { until } from './poll.mjs';
import { token } from './token.mjs';

const require = createRequire(import.meta.url);

/** Ways for a browser to connect: versions of the SDK, and the signal protocol it is told to speak. */
export const WAYS = [
  { name: 'livekit-client latest, signal v1', version: 'latest', options: {} },
  {
    name: 'livekit-client latest, signal v0',
    version: 'latest',
    options: { singlePeerConnection: false },
  },
  { name: 'livekit-client 2.5, signal v0', version: '2-5', options: {} },
];

/** @typedef {typeof WAYS[number]} Way */

/** What pages load of an SDK, and its name in the package. */
const SDK_FILES = {
  'livekit-client.js': 'livekit-client.umd.js',
  'metadata-worker.js': 'livekit-client.fm.worker.js',
};

/** Serves `/<version>/` with that version of the SDK; from another origin than the Sluice server, as any app would. */
export async function servePages() {
  const page = new URL('../sdk/page.html', import.meta.url);
  const guest = new URL('../sdk/guest.js', import.meta.url);
  const http = createServer(async (request, response) => {
    const [, version, file] = /^\/(?:([^/]+)\/)?(.*)$/.exec(request.url ?? '') ?? [];
    const isScript = file.endsWith('.js');
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    try {
      if (file === 'guest.js') response.end(await readFile(guest));
      else if (SDK_FILES[file]) {
        const sdk = require
          .resolve(`livekit-client-${version}`)
          .replace(/[^/\\]+$/, SDK_FILES[file]);
        response.end(await readFile(sdk));
      } else response.end(await readFile(page));
    } catch (error) {
      response.writeHead(404).end(String(error));
    }
  });
  await new Promise((resolve) => http.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${http.address().port}`, close: () => http.close() };
}

/** Somebody on a bare page. */
export class SdkGuest extends Person {
  /**
   * @param {import('./browsers.mjs').Browser} browser
   * @param {{ url: string }} pages
   * @param {import('./server.mjs').Server} server
   * @param {string} room
   * @param {string} identity
   * @param {Way} way
   * @param {{ connect?: object, claims?: object, lacks?: string[], readsMetadata?: boolean }} [options] `lacks`: codecs it
   * cannot receive; `readsMetadata`: it reads and can send metadata of frames
   */
  static async join(
    browser,
    pages,
    server,
    room,
    identity,
    way,
    { connect = {}, claims = {}, lacks = [], readsMetadata = false } = {},
  ) {
    const guest = new SdkGuest(await browser.open(`${pages.url}/${way.version}/`), identity);
    guest.identity = identity;
    await guest.page.evaluate((lacks) => window.lack(lacks), lacks);
    await guest.page.evaluate((join) => window.join(join), {
      url: server.wsUrl,
      token: token(room, identity, claims),
      room: way.options,
      connect,
      readsMetadata,
    });
    return guest;
  }

  /** Runs a function in the page with the room. @template T, A @param {(argument: A) => T} body @param {A} [argument] */
  does(body, argument) {
    return this.page.evaluate(body, argument);
  }

  /** All such events so far: the parameters of each. @param {string} event */
  all(event) {
    return this.page.evaluate(
      (event) =>
        window.events.filter((seen) => seen.event === event).map((seen) => seen.parameters),
      event,
    );
  }

  /** From here on only what comes counts. */
  forget() {
    return this.page.evaluate(() => void (window.events.length = 0));
  }

  /** Waits for an event; its parameters. @param {string} event @param {(...parameters: any[]) => boolean} [suchThat] @param {number} [limitMs] */
  sees(event, suchThat = () => true, limitMs) {
    const find = async () => (await this.all(event)).find((parameters) => suchThat(...parameters));
    return until(`${this.name} sees ${event}`, find, limitMs);
  }

  /** @param {SdkGuest} other */
  seesGuest(other) {
    const isThere = (identity) => window.sluice.room.remoteParticipants.has(identity);
    return until(`${this.name} sees ${other.name}`, () =>
      this.page.evaluate(isThere, other.identity),
    );
  }

  /** Camera and microphone, as an app would. */
  publish({ camera = true, microphone = true } = {}) {
    return this.page.evaluate(
      async ({ camera, microphone }) => {
        const me = window.sluice.room.localParticipant;
        if (camera) await me.setCameraEnabled(true);
        if (microphone) await me.setMicrophoneEnabled(true);
      },
      { camera, microphone },
    );
  }
}
