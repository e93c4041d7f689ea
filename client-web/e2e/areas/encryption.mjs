/** End-to-end encryption: the key is in the link, the server forwards what it cannot read. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { enter, hook } from '../harness/call.mjs';
import { until } from '../harness/poll.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';

const SESAME = { hash: '#e2ee=open-sesame' };
const BARLEY = { hash: '#e2ee=open-barley' };

describe('an encrypted call', () => {
  afterEach(closePages);

  for (const second of /** @type {const} */ (['chromium', 'firefox'])) {
    it(`works between those who have the key (chromium, ${second})`, async () => {
      const room = await (await server()).room();
      const ada = await enter(await browser('chromium'), await server(), room, 'Ada', SESAME);
      const ben = await enter(await browser(second), await server(), room, 'Ben', SESAME);
      await ada.page.sees(hook('e2ee-lock'));
      await Promise.all([ada.watches(ben), ben.watches(ada)]);
      await Promise.all([ada.hears(ben), ben.hears(ada)]);
      assert.equal((await ben.track(ada, 'camera')).encrypted, true);
    });
  }

  it('shows nothing to who has another key', async () => {
    const room = await (await server()).room();
    const chromium = await browser('chromium');
    const ada = await enter(chromium, await server(), room, 'Ada', SESAME);
    const eve = await enter(chromium, await server(), room, 'Eve', BARLEY);
    const ben = await enter(chromium, await server(), room, 'Ben', SESAME);
    // The media flows to both: one decodes it, the other cannot.
    await ben.watches(ada);
    const track = await until('much has come to Eve', async () => {
      const track = await eve.track(ada, 'camera');
      return track && track.bytesReceived > 100_000 && track;
    });
    assert.equal(track.framesDecoded, 0);
    assert.ok((await eve.track(ada, 'microphone')).audioEnergy < 1e-6);
  });
});
