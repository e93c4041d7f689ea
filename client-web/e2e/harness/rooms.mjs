/** Rooms as people make them and come to them: by the home page and by a link. */
import { hook, Person } from './call.mjs';
import { browser, server } from './suite.mjs';

/** Makes a room on the home page, with options of the folded form, and enters it: its host. */
export async function hosted(name, { options = [], password } = {}) {
  const page = await (await browser('chromium')).open((await server()).url);
  await page.click(`${hook('home-options')} summary`);
  for (const option of options) await page.click(hook(`home-${option}`));
  if (password) await page.fill(hook('home-password'), password);
  await page.click(hook('home-create'));
  await page.fill(hook('prejoin-name'), name);
  await page.click(hook('prejoin-join'));
  const host = new Person(page, name);
  await host.isInCall();
  const room = await page.evaluate(() => location.pathname.split('/').at(-1));
  return { host, room };
}

/** Opens a room's link and asks to be let in. */
export async function knock(room, name, { password } = {}) {
  const page = await (await browser('chromium')).open(`${(await server()).url}/r/${room}`);
  await page.fill(hook('prejoin-name'), name);
  if (password) await page.fill(hook('prejoin-password'), password);
  await page.click(hook('prejoin-join'));
  return new Person(page, name);
}
