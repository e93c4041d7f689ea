/**
 * A network namespace behind a bad link: whatever rate, delay and loss a test asks for. The link is a program of its
 * own (`link/`), between two TUN devices. Needs what a namespace needs.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { Namespace, ip } from './namespace.mjs';

/** Makes a run repeatable as far as the link goes. */
const SEED = 1;
const FERRY = fileURLToPath(new URL('ferry.mjs', import.meta.url));

/**
 * How one direction is; what is not mentioned is perfect.
 *
 * @typedef {object} Impairment
 * @property {number} [rate] bits per second
 * @property {number} [delay] milliseconds
 * @property {number} [jitter] up to so many milliseconds more
 * @property {number} [loss] percent of the packets
 * @property {number} [burst] packets lost in a row, on average
 * @property {number} [queue] bytes that may wait when there is a rate
 * @property {0 | 1} [udp] 0: a firewall that lets no UDP through
 */

export class Link {
  #namespace = new Namespace();
  /** @type {import('node:child_process').ChildProcess} */
  #process;
  /** Answers that are awaited, first come first served. @type {((line: string) => void)[]} */
  #awaiting = [];
  /** @type {{ close(): void }[]} */
  #ferries = [];

  /** A perfect one. */
  static async open() {
    const link = new Link();
    await link.#open();
    return link;
  }

  async #open() {
    const { name, near, far, nearDevice, farDevice } = this.#namespace;
    this.#process = spawn(program(), [nearDevice, farDevice, String(SEED)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    createInterface(this.#process.stdout).on('line', (line) => this.#awaiting.shift()?.(line));
    this.#process.once('exit', () => this.#awaiting.forEach((tell) => tell('error: it ended')));
    await this.#answer();
    ip('link', 'set', farDevice, 'netns', name);
    ip('addr', 'add', `${near}/30`, 'dev', nearDevice);
    ip('link', 'set', nearDevice, 'up');
    this.#namespace.inside('addr', 'add', `${far}/30`, 'dev', farDevice);
    this.#namespace.inside('link', 'set', farDevice, 'up');
    // Firefox takes part in no call without a way to the internet.
    this.#namespace.inside('route', 'replace', 'default', 'via', near);
  }

  /** This machine's end: where a server has to listen. */
  get shore() {
    return this.#namespace.near;
  }

  /** A program that starts another one behind the link. @param {string} program */
  wrapper(program) {
    return this.#namespace.wrapper(program);
  }

  /**
   * A port of this machine's loopback that leads to the same port in there, where a browser may wait for its driver.
   */
  async ferry() {
    const { name } = this.#namespace;
    const ferry = spawn('ip', ['netns', 'exec', name, process.execPath, FERRY], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, NODE_TEST_CONTEXT: undefined },
    });
    const server = createServer({ pauseOnConnect: true }, (socket) =>
      ferry.send({ port: server.address().port }, socket),
    );
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#ferries.push({
      close() {
        server.close();
        ferry.kill();
      },
    });
    return server.address().port;
  }

  /**
   * How the link is from now on: towards the browser, and from it.
   *
   * @param {Impairment} down
   * @param {Impairment} [up]
   */
  async set(down, up = down) {
    await this.#command(`to-far ${words(down)}`);
    await this.#command(`to-near ${words(up)}`);
  }

  /** What became of the packets so far, towards the browser and from it. */
  async counts() {
    const [, down, up] = /^to-far (.*) to-near (.*)$/.exec(await this.#command('counts'));
    return { down: numbers(down), up: numbers(up) };
  }

  async remove() {
    for (const ferry of this.#ferries) ferry.close();
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.stdin.end();
      await ended;
    }
    this.#namespace.remove();
  }

  /** @param {string} line */
  #command(line) {
    this.#process.stdin.write(`${line}\n`);
    return this.#answer();
  }

  /** @returns {Promise<string>} */
  async #answer() {
    const line = await new Promise((resolve) => this.#awaiting.push(resolve));
    if (line.startsWith('error')) throw new Error(`the link says ${line}`);
    return line;
  }
}

/** @param {Record<string, number>} values */
function words(values) {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ');
}

/** @param {string} words @returns {Record<string, number>} */
function numbers(words) {
  return Object.fromEntries(
    words
      .split(' ')
      .map((word) => word.split('='))
      .map(([key, value]) => [key, Number(value)]),
  );
}

/** The link's program: named by SLUICE_LINK_BIN, else the last one cargo built. */
function program() {
  const built = fileURLToPath(new URL('../../../target/debug/sluice-link', import.meta.url));
  const found = process.env.SLUICE_LINK_BIN ?? built;
  if (!existsSync(found)) {
    throw new Error(
      `no link at ${found}: run \`cargo build -p sluice-link\`, or set SLUICE_LINK_BIN to the program`,
    );
  }
  return found;
}
