/** The network goes away and comes back; people stay in the call. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { Browser } from '../harness/browsers.mjs';
import { enter } from '../harness/call.mjs';
import { Island, whyNoIsland } from '../harness/island.mjs';
import { stalls, until } from '../harness/poll.mjs';
import { Server } from '../harness/server.mjs';

const OUTAGE_MS = 5000;
/** After it browsers look for a way back at their own pace. */
const RECOVERY_LIMIT_MS = 30_000;

const skip = whyNoIsland();

describe('a network that goes away', { skip }, () => {
  /** @type {Island} */ let island;
  /** @type {Server} */ let server;
  /** @type {Browser} */ let here;
  /** @type {Browser} */ let onIsland;

  before(async () => {
    island = new Island();
    server = await Server.start({
      listen: `${island.shore}:0`,
      dev: false,
      env: {
        SLUICE_KEYS: `e2e: ${'not-a-secret'.repeat(4)}`,
        SLUICE_HTTP__BEHIND_PROXY: 'true',
        SLUICE_ROOMS__OPEN: 'true',
      },
    });
    // Cameras are for secure pages; this one is as good as local.
    const flags = [`--unsafely-treat-insecure-origin-as-secure=${server.url}`];
    here = await Browser.launch('chromium', { flags });
    onIsland = await Browser.launch('chromium', {
      flags,
      wrap: (program) => island.wrapper(program),
    });
  });
  after(async () => {
    await onIsland?.close();
    await here?.close();
    await server?.stop();
    island?.remove();
  });

  /** @param {() => void} cut @param {() => void} mend */
  async function survives(cut, mend) {
    const room = await server.room();
    const ada = await enter(onIsland, server, room, 'Ada');
    const ben = await enter(here, server, room, 'Ben');
    await Promise.all([ada.watches(ben), ben.watches(ada)]);
    cut();
    const over = Date.now() + OUTAGE_MS;
    try {
      const decoded = async () => (await ben.track(ada, 'camera')).framesDecoded;
      await stalls('the picture', decoded, OUTAGE_MS);
      // A busy decoder may stop for a moment and then show what had come before the cut.
      await until('half of the outage is over', () => Date.now() > over - OUTAGE_MS / 2);
      const frozen = await decoded();
      await until('the outage is over', () => Date.now() > over);
      assert.equal(await decoded(), frozen, 'the picture stands still to the end');
    } finally {
      mend();
    }
    await Promise.all([
      until('Ada watches Ben again', () => ada.watches(ben).catch(() => false), RECOVERY_LIMIT_MS),
      until('Ben watches Ada again', () => ben.watches(ada).catch(() => false), RECOVERY_LIMIT_MS),
    ]);
    await Promise.all([ada.hears(ben), ben.hears(ada)]);
    // One Ada, no ghost of the one before.
    await until(
      'two people are in',
      async () => (await server.api(`/rooms/${room}`)).body.num_participants === 2,
    );
    await Promise.all([ada.page.close(), ben.page.close()]);
  }

  it('packets are lost for five seconds', () =>
    survives(
      () => island.startLosing(),
      () => island.stopLosing(),
    ));

  it('the cable is pulled for five seconds', () =>
    survives(
      () => island.pullOut(),
      () => island.plugIn(),
    ));
});
