/** `@livekit/rtc-node`, unmodified, against a server of our own: every case in a process of its own. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { Server } from '../../../client-web/e2e/harness/server.mjs';
import { names, passes } from './process.mjs';

const cases = await names();

describe('@livekit/rtc-node', { timeout: 8 * 60_000 }, () => {
  /** @type {Server} */
  let server;

  before(async () => {
    server = await Server.start();
  });
  after(async () => {
    const code = await server.stop();
    assert.ok(!server.log.includes('panicked'), server.log);
    assert.equal(code, 0, 'the server ends well');
  });

  for (const name of cases) {
    it(name, (test) => passes(server, name, (remark) => test.diagnostic(remark)));
  }
});
