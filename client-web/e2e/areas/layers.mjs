/** Three layers are sent, and who shows a small tile receives a small one: of VP8 and H264 by simulcast, of VP9 and AV1 by SVC. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { enter } from '../harness/call.mjs';
import { until } from '../harness/poll.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';

/** So small that the tile of the other is under 320 pixels wide, and the lowest layer is enough. */
const PHONE_STRIP = { width: 320, height: 360 };
const LARGE = { width: 1600, height: 1000 };
/** The top layer needs a bandwidth estimate that has grown, and an encoder that keeps up. */
const TOP_LAYER_LIMIT_MS = 30_000;

describe('layers', () => {
  afterEach(closePages);

  it('a publisher sends three layers', async () => {
    const room = await (await server()).room();
    const chromium = await browser('chromium');
    const ada = await enter(chromium, await server(), room, 'Ada');
    const ben = await enter(chromium, await server(), room, 'Ben', {
      query: '&video=0',
      viewport: LARGE,
    });
    await ben.watches(ada);
    const layers = await until(
      'three layers are sent',
      async () => {
        const camera = (await ada.sent()).filter((encoding) => encoding.source === 'camera');
        const flowing = camera.filter((encoding) => encoding.framesSent > 0);
        if (flowing.length < 3) throw new Error(JSON.stringify(camera));
        return flowing;
      },
      TOP_LAYER_LIMIT_MS,
    );
    const widths = Object.fromEntries(layers.map((layer) => [layer.rid, layer.width]));
    assert.deepEqual(Object.keys(widths).sort(), ['f', 'h', 'q']);
    assert.ok(widths.q < widths.h && widths.h < widths.f, JSON.stringify(widths));
  });

  for (const codec of ['vp8', 'h264', 'vp9', 'av1']) {
    it(`${codec}: a small tile receives a small layer, a large one a large layer`, async () => {
      const room = await (await server()).room();
      const chromium = await browser('chromium');
      const ada = await enter(chromium, await server(), room, 'Ada', { query: `&codec=${codec}` });
      const onPhone = { query: '&video=0', viewport: PHONE_STRIP };
      const ben = await enter(chromium, await server(), room, 'Ben', onPhone);
      const cy = await enter(chromium, await server(), room, 'Cy', {
        query: '&video=0',
        viewport: LARGE,
      });
      await cy.watchesInSize(ada, (width) => width >= 960, 'large', TOP_LAYER_LIMIT_MS);
      await ben.watchesInSize(
        ada,
        (width) => width > 0 && width <= 480,
        'small',
        TOP_LAYER_LIMIT_MS,
      );
      // Both go on: neither choice disturbs the other.
      await Promise.all([ben.watches(ada), cy.watches(ada)]);
    });
  }

  it('a tile that grows receives a larger layer, and shrinks again', async () => {
    const room = await (await server()).room();
    const chromium = await browser('chromium');
    const ada = await enter(chromium, await server(), room, 'Ada');
    const ben = await enter(chromium, await server(), room, 'Ben', {
      query: '&video=0',
      viewport: PHONE_STRIP,
    });
    const isSmall = (width) => width > 0 && width <= 480;
    await ben.watchesInSize(ada, isSmall, 'small', TOP_LAYER_LIMIT_MS);
    await ben.page.resize(LARGE);
    await ben.watchesInSize(ada, (width) => width >= 960, 'large', TOP_LAYER_LIMIT_MS);
    await ben.page.resize(PHONE_STRIP);
    await ben.watchesInSize(ada, isSmall, 'small again', TOP_LAYER_LIMIT_MS);
  });
});
