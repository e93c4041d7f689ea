/**
 * Chromium (playwright-core) and Firefox (puppeteer-core over WebDriver BiDi) behind one small face: what the tests
 * need of a page, and no more. Both are Debian's, with their fake cameras and microphones.
 */
import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';
import puppeteer from 'puppeteer-core';

import { LIMIT_MS, until } from './poll.mjs';

/** @typedef {'chromium' | 'firefox'} Kind */

const PROGRAMS = {
  chromium: ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'],
  firefox: ['/usr/bin/firefox-esr', '/usr/bin/firefox'],
};

const CHROMIUM_FLAGS = [
  '--no-sandbox',
  '--use-fake-ui-for-media-stream',
  // Without the rate the camera runs at 20 frames per second.
  '--use-fake-device-for-media-stream=fps=30',
  '--auto-select-desktop-capture-source=Sluice',
  '--autoplay-policy=no-user-gesture-required',
  '--disable-features=WebRtcHideLocalIpsWithMdns,Translate,MediaRouter,OptimizationHints',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  // A page in the background is a participant like any other.
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
  '--disable-gpu',
  '--disable-dev-shm-usage',
];

const FIREFOX_PREFERENCES = {
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
  'media.peerconnection.ice.loopback': true,
  'media.peerconnection.ice.obfuscate_host_addresses': false,
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
  'media.gmp-manager.updateEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'app.update.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'toolkit.telemetry.enabled': false,
  'browser.safebrowsing.downloads.remote.enabled': false,
  // Nowhere: the settings service would be asked at every start.
  'services.settings.server': 'http://127.0.0.1:9/',
};

export const DESKTOP = { width: 1280, height: 800 };

/** One browser; each page it opens is somebody else's: no storage is shared. */
export class Browser {
  #raw;
  /** @type {Kind} */
  kind;

  /** @param {Kind} kind @param {any} raw */
  constructor(kind, raw) {
    this.kind = kind;
    this.#raw = raw;
  }

  /**
   * @param {Kind} kind
   * @param {object} [options]
   * @param {string[]} [options.flags] more flags of Chromium
   * @param {Record<string, unknown>} [options.preferences] more preferences of Firefox
   * @param {number} [options.port] where Firefox waits for its driver; Chromium has a pipe
   * @param {(program: string) => string} [options.wrap] a program that starts the browser's
   */
  static async launch(
    kind,
    { flags = [], preferences = {}, port, wrap = (program) => program } = {},
  ) {
    const program = wrap(find(kind));
    const raw =
      kind === 'chromium'
        ? await chromium.launch({ executablePath: program, args: [...CHROMIUM_FLAGS, ...flags] })
        : await puppeteer.launch({
            browser: 'firefox',
            executablePath: program,
            headless: true,
            debuggingPort: port,
            extraPrefsFirefox: { ...FIREFOX_PREFERENCES, ...preferences },
          });
    return new Browser(kind, raw);
  }

  /**
   * Opens a page of somebody new.
   *
   * @param {string} url
   * @param {{ viewport?: { width: number, height: number }, colorScheme?: 'light' | 'dark', before?: () => void }} [options]
   * `before`: runs in the page before its own scripts (Chromium)
   */
  async open(url, { viewport = DESKTOP, colorScheme = 'light', before } = {}) {
    const isChromium = this.kind === 'chromium';
    const context = isChromium
      ? await this.#raw.newContext({ viewport, colorScheme })
      : await this.#raw.createBrowserContext();
    const raw = await context.newPage();
    if (!isChromium) await raw.setViewport(viewport);
    if (before) await raw.addInitScript(before);
    const page = new Page(this.kind, raw, context);
    await raw.goto(url);
    return page;
  }

  async close() {
    await this.#raw.close();
  }
}

/** One page; whatever it says on its console is kept for failures. */
export class Page {
  #context;
  /** @type {string[]} */
  console = [];

  /** @param {Kind} kind @param {any} raw @param {any} context */
  constructor(kind, raw, context) {
    this.kind = kind;
    /** The driver's page, for what only one of the browsers can do. */
    this.raw = raw;
    this.#context = context;
    raw.on('pageerror', (error) => this.console.push(`error: ${error}`));
    raw.on('console', (message) => this.console.push(message.text()));
  }

  /**
   * Runs a function in the page.
   *
   * @template T
   * @template A
   * @param {(argument: A) => T | Promise<T>} body
   * @param {A} [argument]
   * @returns {Promise<T>}
   */
  evaluate(body, argument) {
    return this.raw.evaluate(body, argument);
  }

  /** @param {string} url */
  async goto(url) {
    await this.raw.goto(url);
  }

  async reload() {
    await this.raw.reload();
  }

  /** Waits for an element and clicks it as a person would. @param {string} selector */
  async click(selector) {
    await this.sees(selector);
    await this.raw.locator(selector).click();
  }

  /** @param {string} selector @param {string} text */
  async fill(selector, text) {
    await this.sees(selector);
    await this.raw.locator(selector).fill(text);
  }

  /** How many elements match. @param {string} selector */
  count(selector) {
    return this.evaluate((selector) => document.querySelectorAll(selector).length, selector);
  }

  /** The text of an element, or undefined. @param {string} selector */
  text(selector) {
    return this.evaluate(
      (selector) => document.querySelector(selector)?.textContent ?? undefined,
      selector,
    );
  }

  /** Waits until an element is there. @param {string} selector @param {number} [limitMs] */
  async sees(selector, limitMs = LIMIT_MS) {
    await until(`the page shows ${selector}`, () => this.count(selector), limitMs);
  }

  /** Waits until no such element is there. @param {string} selector @param {number} [limitMs] */
  async losesSight(selector, limitMs = LIMIT_MS) {
    await until(
      `the page no longer shows ${selector}`,
      async () => (await this.count(selector)) === 0,
      limitMs,
    );
  }

  /** @param {{ width: number, height: number }} size */
  async resize(size) {
    if (this.kind === 'chromium') await this.raw.setViewportSize(size);
    else await this.raw.setViewport(size);
  }

  /** @param {string} path */
  async screenshot(path) {
    await this.raw.screenshot({ path });
  }

  async close() {
    await this.#context.close();
  }
}

/** @param {Kind} kind */
function find(kind) {
  const found = PROGRAMS[kind].find(existsSync);
  if (!found)
    throw new Error(
      `${kind} is missing: apt-get install ${kind === 'firefox' ? 'firefox-esr' : kind}`,
    );
  return found;
}
