/**
 * A network namespace with one cable to this machine, to put a browser on and then cut the cable. Needs root and
 * `ip`, `tc` (iproute2); where these are missing, tests on an island are skipped and say so.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Private to this suite: 10.213.0.0/16 is nobody's default. */
const subnet = () => `10.213.${process.pid % 250}`;

/** Why there can be no island here, or undefined. */
export function whyNoIsland() {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  const probe = `sluice-probe-${process.pid}`;
  const made = spawnSync('ip', ['netns', 'add', probe], { encoding: 'utf8' });
  if (made.error) return `no ip command: ${made.error.message}`;
  if (made.status !== 0) return `network namespaces are not permitted: ${made.stderr.trim()}`;
  ip('netns', 'del', probe);
  if (spawnSync('tc', ['-V']).error) return 'no tc command';
  return undefined;
}

export class Island {
  #name = `sluice-${process.pid}`;
  #near = `slu${process.pid}a`.slice(-15);
  #far = `slu${process.pid}b`.slice(-15);
  #folder = mkdtempSync(join(tmpdir(), 'sluice-island-'));

  /** This machine's end of the cable: where a server has to listen. */
  shore = `${subnet()}.1`;

  constructor() {
    ip('netns', 'add', this.#name);
    ip('link', 'add', this.#near, 'type', 'veth', 'peer', 'name', this.#far, 'netns', this.#name);
    ip('addr', 'add', `${this.shore}/30`, 'dev', this.#near);
    ip('link', 'set', this.#near, 'up');
    this.#inside('link', 'set', 'lo', 'up');
    this.#inside('addr', 'add', `${subnet()}.2/30`, 'dev', this.#far);
    this.plugIn();
  }

  /** A program that starts another one on the island. @param {string} program */
  wrapper(program) {
    const path = join(this.#folder, 'program');
    writeFileSync(path, `#!/bin/sh\nexec ip netns exec ${this.#name} ${program} "$@"\n`);
    chmodSync(path, 0o755);
    return path;
  }

  /** Every packet is lost from here on, both ways, and nobody is told. */
  startLosing() {
    // A bucket that lets a byte a second through: there is no netem everywhere.
    const nothing = ['root', 'tbf', 'rate', '8bit', 'burst', '1', 'limit', '1'];
    run('tc', 'qdisc', 'replace', 'dev', this.#near, ...nothing);
    run('tc', '-n', this.#name, 'qdisc', 'replace', 'dev', this.#far, ...nothing);
  }

  stopLosing() {
    run('tc', 'qdisc', 'del', 'dev', this.#near, 'root');
    run('tc', '-n', this.#name, 'qdisc', 'del', 'dev', this.#far, 'root');
  }

  /** The cable is pulled: the island's programs see their network go. */
  pullOut() {
    this.#inside('link', 'set', this.#far, 'down');
  }

  plugIn() {
    this.#inside('link', 'set', this.#far, 'up');
    // Browsers look for a way to the internet before they look for addresses.
    this.#inside('route', 'replace', 'default', 'via', this.shore);
  }

  remove() {
    ip('netns', 'del', this.#name);
    // It goes with the namespace, but a little later, and the next island may want its name.
    spawnSync('ip', ['link', 'del', this.#near]);
    rmSync(this.#folder, { recursive: true });
  }

  /** @param {string[]} args */
  #inside(...args) {
    ip('-n', this.#name, ...args);
  }
}

/** @param {string[]} args */
function ip(...args) {
  run('ip', ...args);
}

/** @param {string} program @param {string[]} args */
function run(program, ...args) {
  execFileSync(program, args, { stdio: 'pipe' });
}
