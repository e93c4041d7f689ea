/** Pictures and sound between browsers: whatever one sends, the other decodes. */
import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'node:test';

import { enter } from '../harness/call.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';

/** @typedef {import('../harness/browsers.mjs').Kind} Kind */

describe('two browsers in a call', () => {
  afterEach(closePages);

  /** @type {[Kind, Kind][]} */
  const pairs = [
    ['chromium', 'chromium'],
    ['firefox', 'chromium'],
    ['chromium', 'firefox'],
  ];
  for (const [first, second] of pairs) {
    it(`${first} and ${second} see and hear each other`, async () => {
      const room = await (await server()).room();
      const ada = await enter(await browser(first), await server(), room, 'Ada');
      // Joins later: the picture that is already on must come without waiting for a keyframe.
      const ben = await enter(await browser(second), await server(), room, 'Ben');
      await Promise.all([ben.watches(ada), ada.watches(ben)]);
      await Promise.all([ben.hears(ada), ada.hears(ben)]);
    });
  }

  it('three people see and hear each other', async () => {
    const room = await (await server()).room();
    const chromium = await browser('chromium');
    const people = [
      await enter(chromium, await server(), room, 'Ada'),
      await enter(chromium, await server(), room, 'Ben'),
      await enter(await browser('firefox'), await server(), room, 'Cy'),
    ];
    for (const here of people) {
      for (const there of people) {
        if (here === there) continue;
        await here.watches(there);
        await here.hears(there);
      }
    }
  });
});

describe('codecs', () => {
  afterEach(closePages);

  // VP9 and AV1 are sent as SVC: three spatial layers in one stream.
  for (const codec of ['vp8', 'vp9', 'av1', 'h264']) {
    it(`${codec} decodes in Chromium`, async () => {
      const room = await (await server()).room();
      const chromium = await browser('chromium');
      const ada = await enter(chromium, await server(), room, 'Ada', { query: `&codec=${codec}` });
      const ben = await enter(chromium, await server(), room, 'Ben', { query: '&video=0' });
      const track = await ben.watches(ada);
      assert.equal(track.codec.toLowerCase(), `video/${codec}`);
      if (codec === 'vp9' || codec === 'av1') {
        const [sent] = (await ada.sent()).filter((encoding) => encoding.source === 'camera');
        assert.match(sent.scalabilityMode, /^L[23]T/);
      }
    });
  }

  for (const codec of ['vp8', 'vp9', 'av1']) {
    it(`${codec} of Chromium decodes in Firefox`, async () => {
      const room = await (await server()).room();
      const query = `&codec=${codec}`;
      const ada = await enter(await browser('chromium'), await server(), room, 'Ada', { query });
      const ben = await enter(await browser('firefox'), await server(), room, 'Ben', {
        query: '&video=0',
      });
      await ben.watches(ada);
    });
  }
});
