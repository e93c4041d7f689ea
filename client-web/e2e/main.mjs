/**
 * The browser end-to-end tests: all areas, or those named as arguments (`npm test -- media room`). One process, so
 * that the areas share a server and the browsers, and one test after the other: a machine has only so many cores.
 */
import { readdir } from 'node:fs/promises';
import { before } from 'node:test';

import { cleanUp } from './harness/suite.mjs';

const areas = (await readdir(new URL('areas/', import.meta.url))).filter((file) =>
  file.endsWith('.mjs'),
);
const wanted = process.argv.slice(2);
for (const name of wanted) {
  if (!areas.includes(`${name}.mjs`))
    throw new Error(`no area ${name}; there are: ${areas.join(' ')}`);
}

/** Longer than all areas take on a slow machine: a page that hangs must not take the run along. */
const LIMIT_MS = 30 * 60_000;
setTimeout(() => {
  console.error(`the browser tests are not done after ${LIMIT_MS / 60_000} minutes`);
  process.exit(1);
}, LIMIT_MS).unref();

cleanUp();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
// No test starts before all are known: otherwise a first area that is skipped would end the run.
const known = Promise.all(
  areas
    .filter((area) => wanted.length === 0 || wanted.includes(area.replace('.mjs', '')))
    .map((area) => import(`./areas/${area}`)),
);
before(() => known);
await known;
