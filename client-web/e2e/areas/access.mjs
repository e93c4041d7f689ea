/** Pages for everybody: no rule of axe (WCAG 2.2 AA, and its own good practice) is broken, in light and in dark. */
import { afterEach, describe, it } from 'node:test';

import { isOpenToAll, PHONE } from '../harness/axe.mjs';
import { enter, hook } from '../harness/call.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';

describe('everybody can use', () => {
  afterEach(closePages);

  for (const [path, sign] of [
    ['/', hook('home-create')],
    ['/signin', hook('guest-path')],
    ['/sessions', hook('download-csv')],
    ['/recordings', `${hook('recordings-empty')}, ${hook('recording-row')}`],
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
