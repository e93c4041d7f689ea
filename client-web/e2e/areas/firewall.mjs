/** Networks that let no UDP out: what somebody in one sees and hears of somebody who is not, over TCP. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { Browser } from '../harness/browsers.mjs';
import { enter } from '../harness/call.mjs';
import { Link } from '../harness/link.mjs';
import { whyNoNamespace } from '../harness/namespace.mjs';
import { until } from '../harness/poll.mjs';
import { freePort, Server } from '../harness/server.mjs';

/** A browser that hears nothing any more looks for another way at its own pace, and the page for a new connection. */
const RECOVERY_LIMIT_MS = 60_000;
const OPEN = {};
const NO_UDP = { udp: /** @type {const} */ (0) };

const skip = whyNoNamespace();

const WAYS = [
  { name: 'over a port for media', isOwn: true },
  { name: 'over the port of the page', isOwn: false },
];

describe('firewalls', { skip }, () => {
  for (const { name, isOwn } of WAYS) {
    describe(name, () => {
      /** @type {Link} */ let link;
      /** @type {Server} */ let server;
      /** Where media goes over TCP. */
      let port = 0;
      /** @type {Browser} */ let outside;
      /** @type {string} */ let room;
      /** @type {import('../harness/call.mjs').Person} */ let ada;

      before(async () => {
        link = await Link.open();
        const tcpPort = isOwn ? await freePort(link.shore) : 0;
        server = await Server.start({
          listen: `${link.shore}:0`,
          tcpPort,
          dev: false,
          env: {
            SLUICE_KEYS: `e2e: ${'not-a-secret'.repeat(4)}`,
            SLUICE_HTTP__BEHIND_PROXY: 'true',
            SLUICE_ROOMS__OPEN: 'true',
            SLUICE_RTC__TCP_ON_HTTP: String(!isOwn),
          },
        });
        port = tcpPort || server.port;
        room = await server.room();
        outside = await Browser.launch('chromium', { flags: flags() });
        ada = await enter(outside, server, room, 'Ada');
      });
      after(async () => {
        await outside?.close();
        const code = await server?.stop();
        await link?.remove();
        assert.equal(code, 0, 'the server ends well');
      });

      /** Cameras are for secure pages; this one is as good as local. */
      const flags = () => [`--unsafely-treat-insecure-origin-as-secure=${server.url}`];

      for (const kind of /** @type {const} */ (['chromium', 'firefox'])) {
        describe(`${kind} behind one`, () => {
          /** @type {Browser} */ let behind;

          before(async () => {
            behind = await Browser.launch(kind, {
              flags: flags(),
              preferences: { 'dom.securecontext.allowlist': link.shore },
              port: kind === 'firefox' ? await link.ferry() : undefined,
              wrap: (program) => link.wrapper(program),
            });
          });
          after(async () => {
            await behind?.close();
            await link.set(OPEN);
          });

          it('has a call where no UDP gets through', async () => {
            await link.set(NO_UDP);
            const ben = await enter(behind, server, room, 'Ben');
            await Promise.all([ada.watches(ben), ben.watches(ada)]);
            await Promise.all([ada.hears(ben), ben.hears(ada)]);
            assert.deepEqual(await paths(ben), [`tcp ${port}`]);
            await ben.page.close();
          });

          // The same for every port.
          if (!isOwn) return;
          it('prefers UDP, and goes on without when it is blocked', async () => {
            await link.set(OPEN);
            const ben = await enter(behind, server, room, 'Ben');
            await Promise.all([ada.watches(ben), ben.watches(ada)]);
            await until('Ben is there over UDP', () => goesBy(ben, 'udp'));
            await link.set(NO_UDP);
            await until(
              'Ben goes on over TCP',
              () => goesBy(ben, `tcp ${port}`),
              RECOVERY_LIMIT_MS,
            );
            await Promise.all([
              until(
                'Ada watches Ben',
                () => ada.watches(ben).catch(() => false),
                RECOVERY_LIMIT_MS,
              ),
              until(
                'Ben watches Ada',
                () => ben.watches(ada).catch(() => false),
                RECOVERY_LIMIT_MS,
              ),
            ]);
            await ben.page.close();
          });
        });
      }
    });
  }
});

/**
 * Whether all connections of a page go by a way that begins so.
 *
 * @param {import('../harness/call.mjs').Person} person
 * @param {string} way
 */
async function goesBy(person, way) {
  const now = await paths(person).catch(() => []);
  return now.length > 0 && now.every((path) => path.startsWith(way));
}

/**
 * By what and to which port of the server each connection of a page goes.
 *
 * @param {import('../harness/call.mjs').Person} person
 * @returns {Promise<string[]>}
 */
function paths(person) {
  return person.page.evaluate(async () => {
    const { publisher, subscriber } = window.sluice.room.engine.pcManager;
    const found = [];
    for (const transport of [publisher, subscriber].filter(Boolean)) {
      // Firefox never answers for a connection that was closed meanwhile.
      const late = new Promise((resolve) => setTimeout(resolve, 2000, new Map()));
      const stats = await Promise.race([transport.getStats(), late]);
      const pairs = [...stats.values()].filter((stat) => stat.type === 'candidate-pair');
      const active = pairs.filter((pair) => pair.nominated && pair.state === 'succeeded');
      const [pair] = active.sort((a, b) => (b.bytesReceived ?? 0) - (a.bytesReceived ?? 0));
      const remote = stats.get(pair?.remoteCandidateId);
      if (remote) found.push(`${remote.protocol} ${remote.port}`);
    }
    return found;
  });
}
