/** Pages for everybody: no rule of axe (WCAG 2.2 AA, and its own good practice) is broken, in light and in dark. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterEach, describe, it } from 'node:test';

import { enter, hook } from '../harness/call.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'];
const PHONE = { width: 390, height: 844 };
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** @param {import('../harness/browsers.mjs').Page} page @param {string} what */
async function isOpenToAll(page, what) {
  await page.evaluate(AXE);
  const broken = await page.evaluate(async (runOnly) => {
    // Something that is just fading in has less contrast than it will have. Waiting for it may take for ever: a page that
    // is not painted does not move either.
    for (const one of document.getAnimations()) {
      if (one.effect?.getComputedTiming().iterations !== Infinity) one.finish();
    }
    const { violations } = await window.axe.run(document, { runOnly });
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  }, RULES);
  assert.deepEqual(broken, [], what);
  const [wide, window] = await page.evaluate(() => [
    document.documentElement.scrollWidth,
    innerWidth,
  ]);
  assert.ok(wide <= window, `${what} is ${wide} pixels wide in a window of ${window}`);
}

describe('everybody can use', () => {
  afterEach(closePages);

  for (const [path, sign] of [
    ['/', hook('home-create')],
    ['/signin', hook('guest-path')],
    ['/sessions', hook('download-csv')],
    ['/admin', hook('admin-figures')],
    ['/admin/rooms', hook('admin-rooms')],
    ['/admin/events', hook('admin-events')],
    ['/admin/settings', hook('admin-settings-list')],
    ['/docs/api', hook('operation')],
    ['/nothing/here', `${hook('failure')}[data-kind="bad_link"]`],
  ]) {
    it(`the page ${path}`, async () => {
      const page = await (await browser('chromium')).open((await server()).url + path);
      await page.sees(sign);
      await isOpenToAll(page, 'in light');
      await page.raw.emulateMedia({ colorScheme: 'dark' });
      await isOpenToAll(page, 'in dark');
      await page.resize(PHONE);
      await isOpenToAll(page, 'on a phone');
    });
  }

  it('a call, its panels and its dialogs', async () => {
    const room = await (await server()).room('Weekly');
    const { page } = await enter(await browser('chromium'), await server(), room, 'Ada');
    await isOpenToAll(page, 'the call');
    for (const control of ['people', 'chat', 'settings']) {
      await page.click(hook(`control-${control}`));
      await isOpenToAll(page, control);
    }
    await page.raw.emulateMedia({ colorScheme: 'dark' });
    await isOpenToAll(page, 'in dark');
  });
});
