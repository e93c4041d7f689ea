/** Whether a page can be used by everybody, as far as a program can tell: the rules of axe (WCAG 2.2 AA, and its own good practice). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const RULES = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'];
export const PHONE = { width: 390, height: 844 };
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** No rule is broken, and nothing is wider than the window. @param {import('./browsers.mjs').Page} page @param {string} what */
export async function isOpenToAll(page, what) {
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
