/**
 * A server of our own for a suite: started on free ports, ended by its process id. Its log is kept in memory and
 * shown when a test of the suite failed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { LIMIT_MS, until } from './poll.mjs';

/** Lines of log to keep: the last minutes of a suite at level info. */
const LOG_LINES = 2000;

export class Server {
  /** @type {import('node:child_process').ChildProcess} */
  #process;
  /** @type {string[]} */
  #log = [];
  /** The folder it runs in: what a server without `--dev` keeps, it keeps there, and not between our files. */
  #folder = '';
  /** Its settings, which go for its other commands as well. @type {Record<string, string>} */
  #env = {};
  /** Port of signaling, API and web client. */
  port = 0;

  /**
   * @param {object} [options]
   * @param {string} [options.listen] address and port, of which 0 lets the system choose
   * @param {number} [options.udpPort]
   * @param {number} [options.tcpPort] for media over TCP; 0 is none, so that suites keep out of each other's way
   * @param {boolean} [options.dev] development mode; without it `env` must say the rest
   * @param {Record<string, string>} [options.env] more settings
   */
  static async start({
    listen = '127.0.0.1:0',
    udpPort = 0,
    tcpPort = 0,
    dev = true,
    env = {},
  } = {}) {
    const server = new Server();
    await server.#start(
      ['serve', ...(dev ? ['--dev'] : []), '--listen', listen, '--udp-port', String(udpPort)],
      { SLUICE_RTC__TCP_PORT: String(tcpPort), ...env },
    );
    return server;
  }

  /** @param {string[]} args @param {Record<string, string>} env */
  async #start(args, env) {
    this.host = args[args.indexOf('--listen') + 1].replace(/:\d+$/, '');
    this.#folder = mkdtempSync(join(tmpdir(), 'sluice-e2e-'));
    this.#env = { ...cleanEnvironment(), NO_COLOR: '1', ...env };
    this.#process = spawn(program(), args, {
      cwd: this.#folder,
      env: this.#env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // Whatever ends this process first, no server is left behind.
    process.once('exit', () => {
      this.#process.kill('SIGKILL');
      this.#forget();
    });
    let rest = '';
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        this.#log.push(...lines);
        this.#log.splice(0, this.#log.length - LOG_LINES);
      });
    }
    await until('the server says where it listens', () => {
      if (this.#process.exitCode !== null) return true;
      const ready = this.#log.map((line) => /ready: open \S+:(\d+)/.exec(line)).find(Boolean);
      this.port = Number(ready?.[1] ?? 0);
      return ready !== undefined;
    });
    if (this.#process.exitCode !== null) throw new Error(`the server did not start:\n${this.log}`);
    await until('the server is ready', async () => (await fetch(`${this.url}/readyz`)).ok);
  }

  /** Where the web client is. */
  get url() {
    return `http://${this.host}:${this.port}`;
  }

  /** What SDKs connect to. */
  get wsUrl() {
    return `ws://${this.host}:${this.port}`;
  }

  get pid() {
    return this.#process.pid;
  }

  get log() {
    return this.#log.join('\n');
  }

  /** Ends it as an operator would, and waits for the end. Returns its exit code. */
  async stop() {
    if (this.#process.exitCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill('SIGTERM');
      const late = setTimeout(() => this.#process.kill('SIGKILL'), LIMIT_MS);
      await ended;
      clearTimeout(late);
    }
    this.#forget();
    return this.#process.exitCode;
  }

  #forget() {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /**
   * Another command of the program, on what this server keeps, as an operator types it beside a running server.
   *
   * @param {string[]} args such as `['user', 'list']`
   * @param {string} [input] what it reads from standard input
   * @returns what it printed
   */
  command(args, input = '') {
    const done = spawnSync(program(), args, {
      cwd: this.#folder,
      env: this.#env,
      input,
      encoding: 'utf8',
      timeout: LIMIT_MS,
    });
    if (done.status !== 0) throw new Error(`sluice ${args.join(' ')}: ${done.stderr}`);
    return done.stdout;
  }

  /**
   * Calls the native API.
   *
   * @param {string} path
   * @param {unknown} [body] sent by POST when there is one
   */
  async api(path, body) {
    const init = body && {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    };
    const response = await fetch(`${this.url}/api${path}`, init || undefined);
    return { status: response.status, body: await response.json() };
  }

  /** Makes a room; its id. @param {string} [name] */
  async room(name) {
    const { status, body } = await this.api('/rooms', { name });
    if (status !== 201) throw new Error(`no room was made: ${status} ${JSON.stringify(body)}`);
    return /** @type {string} */ (body.id);
  }
}

/** Ours without settings of somebody's own server, and of these tests. */
function cleanEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([key]) => !key.startsWith('SLUICE_')),
  );
}

/** The server's program: named by SLUICE_BIN, else the last one cargo built. */
function program() {
  const built = fileURLToPath(new URL('../../../target/debug/sluice', import.meta.url));
  const found = resolve(process.env.SLUICE_BIN ?? built);
  if (!existsSync(found)) {
    throw new Error(`no server at ${found}: run \`cargo build\`, or set SLUICE_BIN to the program`);
  }
  return found;
}

/** A port that nobody has at this moment, for what must be known before a server starts. @param {string} host */
export async function freePort(host) {
  const probe = createServer().listen(0, host);
  await once(probe, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (probe.address());
  probe.close();
  await once(probe, 'close');
  return port;
}
