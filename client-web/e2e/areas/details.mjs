/** "Why is this blurry?": the panel behind a tile's info button, and the API it asks. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { enter, hook } from '../harness/call.mjs';
import { until } from '../harness/poll.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';

const PANEL = 'aside[aria-label="Picture details"]';

/** @param {import('../harness/server.mjs').Server} server @param {string} room @param {string} identity */
async function explained(server, room, identity) {
  const { status, body } = await server.api(`/rooms/${room}/subscriptions/${identity}`);
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

describe('picture details', () => {
  afterEach(closePages);

  for (const kind of ['chromium', 'firefox']) {
    it(`${kind}: a tile says why its picture looks as it does`, async () => {
      const host = await server();
      const room = await host.room();
      const ada = await enter(await browser('chromium'), host, room, 'Ada');
      const ben = await enter(await browser(kind), host, room, 'Ben', { query: '&video=0' });
      await ben.watches(ada);

      await ben.page.sees(ben.tileOf(ada, ` ${hook('tile-info')}`));
      // By its own click, not the mouse's: a keyboard does the same, and there is no hover in between.
      await ben.page.evaluate(
        (selector) => document.querySelector(selector).click(),
        ben.tileOf(ada, ` ${hook('tile-info')}`),
      );
      await until('the panel gives a reason', () =>
        ben.page.count(`${PANEL} .picture-reason[data-reason]`),
      );
      await until('the panel gives figures', async () => {
        const text = await ben.page.text(PANEL);
        return /\d+ × \d+/.test(text) && /bit\/s/.test(text);
      });
      await ben.page.click(`${PANEL} button`);
      await ben.page.losesSight(PANEL);
    });
  }

  it('the API explains what a participant receives, and how everybody fares', async () => {
    const host = await server();
    const room = await host.room();
    const chromium = await browser('chromium');
    const ada = await enter(chromium, host, room, 'Ada');
    const ben = await enter(chromium, host, room, 'Ben');
    await ben.watches(ada);
    const camera = await until('the camera flows', async () => {
      const { tracks } = await explained(host, room, ben.identity);
      const found = tracks.find((track) => track.source === 'camera');
      return found?.delivered_bps > 0 && found.current_layer !== null && found;
    });
    assert.equal(camera.publisher.identity, ada.identity);
    assert.equal(camera.kind, 'video');
    assert.ok(camera.explanation.length > 0 && camera.fps > 0, JSON.stringify(camera));

    const fared = await until('a quality report', async () => {
      const { body } = await host.api(`/rooms/${room}/quality`);
      const found = body.participants.find((one) => one.identity === ben.identity);
      return found?.metrics.frameRate > 0 && found.metrics;
    });
    assert.ok(['excellent', 'good', 'poor'].includes(fared.quality), JSON.stringify(fared));
    assert.ok(fared.bitrate > 0 && fared.score >= 1);
    const metrics = await (await fetch(`${host.url}/metrics`)).text();
    assert.match(metrics, /sluice_subscriptions_by_reason\{kind="video",reason="\w+"\} [1-9]/);
  });
});
