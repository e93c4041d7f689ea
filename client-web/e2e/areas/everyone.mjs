/** Two browsers and a Python program in one call: what this server is for. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { afterEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { enter, hook } from '../harness/call.mjs';
import { until } from '../harness/poll.mjs';
import { browser, closePages, server } from '../harness/suite.mjs';
import { token } from '../harness/token.mjs';

const folder = fileURLToPath(new URL('../../../tests/sdk/python/', import.meta.url));

/** An interpreter that has the SDK: named by SLUICE_SDK_PYTHON, else where `cargo xtask test` installs it. */
function interpreter() {
  const installed = fileURLToPath(
    new URL('../../../target/venv/livekit-latest/bin/python', import.meta.url),
  );
  return process.env.SLUICE_SDK_PYTHON ?? (existsSync(installed) ? installed : undefined);
}

class PythonGuest {
  /** @type {any[]} */
  said = [];
  errors = '';

  /** @param {string} url @param {string} token */
  constructor(url, token) {
    this.process = spawn(interpreter(), ['guest.py', url, token], { cwd: folder });
    this.process.stdout.setEncoding('utf8').on('data', (text) => {
      this.said.push(
        ...text
          .split('\n')
          .filter(Boolean)
          .map((line) => JSON.parse(line)),
      );
    });
    this.process.stderr.setEncoding('utf8').on('data', (text) => (this.errors += text));
  }

  /** @param {object} wanted */
  says(wanted) {
    const isSaid = (said) => Object.entries(wanted).every(([key, value]) => said[key] === value);
    return until(`Python says ${JSON.stringify(wanted)}`, () => {
      if (this.hasEnded) throw new Error(`it ended (${this.process.signalCode}): ${this.errors}`);
      const found = this.said.find(isSaid);
      if (!found) throw new Error(JSON.stringify(this.said));
      return found;
    });
  }

  get hasEnded() {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  leave() {
    this.process.stdin.end();
    return until('Python has left', () => this.hasEnded);
  }
}

const skip = interpreter()
  ? false
  : 'no Python with the SDK: run `cargo xtask test`, or set SLUICE_SDK_PYTHON';

/**
 * The SDK ends its own process now and then, mostly on leaving: of native code, it says nothing about the server. Such a test runs
 * again, as in tests/sdk/python/pytest.ini, and no more often.
 */
const RUNS = 3;

describe('everyone in one call', { skip }, () => {
  afterEach(closePages);

  it('two browsers and a Python program see, hear and read each other', async (t) => {
    for (let run = 1; ; run++) {
      const room = await (await server()).room('Everyone');
      // Python comes first: it may lose pictures that it receives while it publishes its own (`LostSink` in
      // tests/sdk/python/harness/media.py).
      const python = new PythonGuest(
        (await server()).wsUrl,
        token(room, 'python', { name: 'Python' }),
      );
      const failure = await meet(room, python).then(
        () => undefined,
        (error) => error,
      );
      const { signalCode } = python.process;
      if (signalCode === null || run === RUNS) {
        if (failure) throw failure;
        return;
      }
      t.diagnostic(`the SDK ended itself with ${signalCode}: ${python.errors}`);
      await closePages();
    }
  });
});

/** @param {string} room @param {PythonGuest} python */
async function meet(room, python) {
  let ada;
  try {
    await python.says({ ready: 'python' });
    ada = await enter(await browser('chromium'), await server(), room, 'Ada');
    const ben = await enter(await browser('firefox'), await server(), room, 'Ben');
    const guest = { identity: 'python', name: 'Python' };
    for (const person of [ada, ben]) {
      await person.watches(guest);
      await person.hears(guest);
      await python.says({ received: 'picture', of: person.identity });
      await python.says({ received: 'sound', of: person.identity });
    }
    await Promise.all([ada.watches(ben), ben.watches(ada), ada.hears(ben), ben.hears(ada)]);

    await ada.page.click(hook('control-chat'));
    await ada.page.fill(hook('chat-input'), 'Hello from Ada');
    await ada.page.click(hook('chat-send'));
    await python.says({ read: 'Hello from Ada', of: ada.identity });
    await until('Ada reads Python', async () =>
      /Hello from Python/.test(await ada.page.text('body')),
    );
  } finally {
    await python.leave();
  }
  assert.equal(python.process.exitCode, 0, python.errors);
  await ada.page.losesSight(ada.tileOf({ identity: 'python' }));
}
