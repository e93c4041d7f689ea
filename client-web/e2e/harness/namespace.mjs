/**
 * Network namespaces to put browsers in: a name and two addresses for each, gone when they are removed or when this
 * process ends. Needs root and `ip` (iproute2); where these are missing, tests that need one are skipped and say so.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Why there can be no namespace here, or undefined. */
export function whyNoNamespace() {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const probe = `sluice-${process.pid}-probe`;
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' });
  if (made.error) return `no ip command: ${made.error.message}`;
  if (made.status !== 0) return `network namespaces are not permitted: ${made.stderr.trim()}`;
  run('ip', 'netns', 'del', probe);
  return undefined;
}

export class Namespace {
  static #made = 0;
  #number = Namespace.#made++;
  #folder = mkdtempSync(join(tmpdir(), 'sluice-namespace-'));
  #onExit = () => this.remove();

  name = `sluice-${process.pid}-${this.#number}`;
  /** Names for a device at this machine's end and for one inside. An interface has at most 15 letters. */
  nearDevice = `slu${process.pid}${String.fromCharCode(97 + this.#number)}n`.slice(-15);
  farDevice = `slu${process.pid}${String.fromCharCode(97 + this.#number)}f`.slice(-15);
  /** Addresses for the two, of one /30. Private to this suite: 10.213.0.0/16 is nobody's default. */
  near = this.#address(1);
  far = this.#address(2);

  constructor() {
    sweep();
    ip('netns', 'add', this.name);
    process.once('exit', this.#onExit);
    this.inside('link', 'set', 'lo', 'up');
  }

  /** `ip` in there. @param {string[]} args */
  inside(...args) {
    ip('-n', this.name, ...args);
  }

  /** A program that starts another one in there. @param {string} program */
  wrapper(program) {
    const path = join(this.#folder, 'program');
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${this.name} ${program} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /** Its devices go with it, a little later. */
  remove() {
    process.off('exit', this.#onExit);
    spawnSync('ip', ['netns', 'del', this.name]);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** @param {number} host */
  #address(host) {
    return `10.213.${process.pid % 250}.${4 * this.#number + host}`;
  }
}

/** Removes what suites left behind that were killed. */
function sweep() {
  const names = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
  for (const [name, pid] of names.matchAll(/^sluice-(\d+)\S*/gm)) {
    if (!existsSync(`/proc/${pid}`)) spawnSync('ip', ['netns', 'del', name]);
  }
}

/** @param {string[]} args */
export function ip(...args) {
  run('ip', ...args);
}

/** @param {string} program @param {string[]} args */
export function run(program, ...args) {
  execFileSync(program, args, { stdio: 'pipe' });
}
