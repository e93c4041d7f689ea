/**
 * A network namespace with one cable to this machine, to put a browser on and then cut the cable. Needs what a
 * namespace needs, and `tc`; where these are missing, tests on an island are skipped and say so.
 */
import { spawnSync } from 'node:child_process';

import { Namespace, ip, run, whyNoNamespace } from './namespace.mjs';

/** Why there can be no island here, or undefined. */
export function whyNoIsland() {
  if (spawnSync('tc', ['-V']).error) return 'no tc command';
  return whyNoNamespace();
}

export class Island {
  #namespace = new Namespace();

  constructor() {
    const { name, near, far, nearDevice, farDevice } = this.#namespace;
    ip('link', 'add', nearDevice, 'type', 'veth', 'peer', 'name', farDevice, 'netns', name);
    ip('addr', 'add', `${near}/30`, 'dev', nearDevice);
    ip('link', 'set', nearDevice, 'up');
    this.#namespace.inside('addr', 'add', `${far}/30`, 'dev', farDevice);
    this.plugIn();
  }

  /** This machine's end of the cable: where a server has to listen. */
  get shore() {
    return this.#namespace.near;
  }

  /** A program that starts another one on the island. @param {string} program */
  wrapper(program) {
    return this.#namespace.wrapper(program);
  }

  /** Every packet is lost from here on, both ways, and nobody is told. */
  startLosing() {
    const { name, nearDevice, farDevice } = this.#namespace;
    // A bucket that lets a byte a second through: there is no netem everywhere.
    const nothing = ['root', 'tbf', 'rate', '8bit', 'burst', '1', 'limit', '1'];
    run('tc', 'qdisc', 'replace', 'dev', nearDevice, ...nothing);
    run('tc', '-n', name, 'qdisc', 'replace', 'dev', farDevice, ...nothing);
  }

  stopLosing() {
    const { name, nearDevice, farDevice } = this.#namespace;
    run('tc', 'qdisc', 'del', 'dev', nearDevice, 'root');
    run('tc', '-n', name, 'qdisc', 'del', 'dev', farDevice, 'root');
  }

  /** The cable is pulled: the island's programs see their network go. */
  pullOut() {
    this.#namespace.inside('link', 'set', this.#namespace.farDevice, 'down');
  }

  plugIn() {
    this.#namespace.inside('link', 'set', this.#namespace.farDevice, 'up');
    // Browsers look for a way to the internet before they look for addresses.
    this.#namespace.inside('route', 'replace', 'default', 'via', this.shore);
  }

  remove() {
    this.#namespace.remove();
    // It goes with the namespace, but a little later: a server that starts next would still find its address.
    spawnSync('ip', ['link', 'del', this.#namespace.nearDevice]);
  }
}
