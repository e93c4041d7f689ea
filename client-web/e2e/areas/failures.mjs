/** Whatever goes wrong, the page says what, and what to do next. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { enter, hook } from '../harness/call.mjs';
import { LIMIT_MS } from '../harness/poll.mjs';
import { Server } from '../harness/server.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';

const failure = (kind) => `${hook('failure')}[data-kind="${kind}"]`;

describe('failures', () => {
  afterEach(closePages);

  it('a room that is not there', async () => {
    const page = await (await browser('chromium')).open(`${(await server()).url}/r/nosuchrm`);
    await page.sees(failure('room_not_found'));
    assert.match((await page.text(hook('failure'))) ?? '', /no such room/i);
  });

  it('an address where nothing is', async () => {
    const page = await (await browser('chromium')).open(`${(await server()).url}/about/nothing`);
    await page.sees(failure('bad_link'));
  });

  it('a room that is full', async () => {
    const small = await Server.start({ env: { SLUICE_ROOMS__MAX_PARTICIPANTS: '1' } });
    try {
      const room = await small.room();
      const chromium = await browser('chromium');
      await enter(chromium, small, room, 'Ada');
      const late = await chromium.open(`${small.url}/r/${room}?join=1&name=Late`);
      await late.sees(failure('room_full'));
    } finally {
      await small.stop();
    }
  });

  it('no permission for camera and microphone: said, and joining still works', async () => {
    const room = await (await server()).room();
    const page = await (
      await browser('chromium')
    ).open(`${(await server()).url}/r/${room}`, {
      before: () => {
        navigator.mediaDevices.getUserMedia = () =>
          Promise.reject(new DOMException('Permission denied', 'NotAllowedError'));
      },
    });
    await page.sees(failure('permission_denied'));
    await page.fill(hook('prejoin-name'), 'Shy');
    await page.click(hook('prejoin-join'));
    await page.sees(hook('room'));
    const ada = await enter(await browser('chromium'), await server(), room, 'Ada');
    await ada.page.sees(`${hook('tile')}[data-video="false"]`);
  });

  it('a server that restarts: said, and everybody is taken back', async () => {
    const brief = await Server.start();
    const ada = await enter(await browser('chromium'), brief, await brief.room(), 'Ada');
    assert.equal(await brief.stop(), 0);
    await ada.page.sees(hook('reconnecting'));
    const next = await Server.start({ listen: `127.0.0.1:${brief.port}` });
    try {
      await ada.page.losesSight(hook('reconnecting'), 2 * LIMIT_MS);
      await ada.isInCall();
    } finally {
      await next.stop();
    }
  });

  it('a second tab takes the call over', async () => {
    const room = await (await server()).room();
    const chromium = await browser('chromium');
    const first = await enter(chromium, await server(), room, 'Ada');
    // What this tab shows after a reload; saying the name alone is no proof.
    const self = await first.page.evaluate(
      (key) => JSON.parse(sessionStorage.getItem(key)),
      `sluice.identity.${room}`,
    );
    const { body } = await (
      await server()
    ).api(`/rooms/${room}/join`, {
      name: 'Ada',
      identity: self.identity,
      return_key: self.returnKey,
    });
    await first.page.evaluate(async ({ token, url }) => {
      // Whoever holds the identity: here a bare socket that never sends media.
      window.second = new WebSocket(`${url}/rtc?access_token=${token}&protocol=16`);
    }, body);
    await first.page.sees(failure('duplicate_identity'));
  });
});
