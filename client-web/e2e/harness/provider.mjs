/**
 * A provider of OpenID Connect with one page, where whoever comes says who they are and is believed. Of the protocol it
 * has what our server relies on: discovery, codes with PKCE, ID tokens signed with RS256. What a provider that lies can
 * do is tested beside the server.
 */
import { createHash, createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

const LIFE_S = 300;

/** @param {unknown} value */
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

export class Provider {
  #keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  /** Codes that are out, each good for once. @type {Map<string, { asked: URLSearchParams, claims: object }>} */
  #codes = new Map();
  #http = createServer((request, response) => void this.#answer(request, response));
  client = 'sluice';
  secret = randomUUID();

  static async start() {
    const provider = new Provider();
    provider.#http.listen(0, 'localhost');
    await once(provider.#http, 'listening');
    return provider;
  }

  /** By another name than the servers of the tests have, so that for a browser it is another site. */
  get issuer() {
    const { port } = /** @type {import('node:net').AddressInfo} */ (this.#http.address());
    return `http://localhost:${port}`;
  }

  /** What a server is told of it. @param {string} name */
  settings(name) {
    return {
      SLUICE_ACCOUNTS__OIDC__ISSUER: this.issuer,
      SLUICE_ACCOUNTS__OIDC__CLIENT_ID: this.client,
      SLUICE_ACCOUNTS__OIDC__CLIENT_SECRET: this.secret,
      SLUICE_ACCOUNTS__OIDC__NAME: name,
      SLUICE_ACCOUNTS__OIDC__ALLOW_PRIVATE: 'true',
    };
  }

  async stop() {
    this.#http.closeAllConnections();
    this.#http.close();
    await once(this.#http, 'close');
  }

  /** @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response */
  async #answer(request, response) {
    const { pathname, searchParams } = new URL(request.url ?? '/', this.issuer);
    const say = (body, status = 200) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    switch (pathname) {
      case '/.well-known/openid-configuration':
        return say({
          issuer: this.issuer,
          authorization_endpoint: `${this.issuer}/authorize`,
          token_endpoint: `${this.issuer}/token`,
          jwks_uri: `${this.issuer}/keys`,
          response_types_supported: ['code'],
        });
      case '/keys': {
        const key = this.#keys.publicKey.export({ format: 'jwk' });
        return say({ keys: [{ ...key, kid: 'k1', use: 'sig', alg: 'RS256' }] });
      }
      case '/authorize':
        response.writeHead(200, { 'content-type': 'text/html' });
        return response.end(page(searchParams));
      case '/decided':
        response.writeHead(303, { location: this.#decide(searchParams) });
        return response.end();
      case '/token': {
        const token = this.#exchange(request, new URLSearchParams(await read(request)));
        return token === undefined ? say({ error: 'invalid_grant' }, 400) : say(token);
      }
      default:
        return say({ error: 'not_found' }, 404);
    }
  }

  /** Where the browser is sent back to. @param {URLSearchParams} asked */
  #decide(asked) {
    const back = new URL(asked.get('redirect_uri') ?? '');
    back.searchParams.set('state', asked.get('state') ?? '');
    const who = asked.get('who');
    if (!who) {
      back.searchParams.set('error', 'access_denied');
      return back.href;
    }
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: this.issuer,
      aud: this.client,
      sub: `of ${who}`,
      name: who,
      preferred_username: who.toLowerCase(),
      nonce: asked.get('nonce'),
      iat: now,
      exp: now + LIFE_S,
    };
    const code = randomUUID();
    this.#codes.set(code, { asked, claims });
    back.searchParams.set('code', code);
    return back.href;
  }

  /**
   * A code is worth something once, to the client it was made for, with the verifier of its challenge (RFC 7636).
   *
   * @param {import('node:http').IncomingMessage} request
   * @param {URLSearchParams} shown
   */
  #exchange(request, shown) {
    const found = this.#codes.get(shown.get('code') ?? '');
    this.#codes.delete(shown.get('code') ?? '');
    const verifier = shown.get('code_verifier') ?? '';
    const basic = Buffer.from(`${this.client}:${this.secret}`).toString('base64');
    const isRight =
      request.headers.authorization === `Basic ${basic}` &&
      found?.asked.get('redirect_uri') === shown.get('redirect_uri') &&
      found?.asked.get('code_challenge') ===
        createHash('sha256').update(verifier).digest('base64url');
    if (!found || !isRight) return undefined;
    const signed = `${encode({ alg: 'RS256', kid: 'k1', typ: 'JWT' })}.${encode(found.claims)}`;
    const signature = createSign('sha256').update(signed).sign(this.#keys.privateKey, 'base64url');
    return { id_token: `${signed}.${signature}`, access_token: 'x', token_type: 'Bearer' };
  }
}

/** The page of the provider: a name, and whether one wants to. @param {URLSearchParams} asked */
function page(asked) {
  const kept = [...asked].map(
    ([name, value]) => `<input type="hidden" name="${escaped(name)}" value="${escaped(value)}">`,
  );
  return `<!doctype html><title>Provider</title><form action="/decided">${kept.join('')}
    <input name="who" aria-label="Who are you"><button>Continue</button></form>`;
}

/** @param {string} text */
const escaped = (text) => text.replaceAll('&', '&amp;').replaceAll('"', '&quot;');

/** @param {import('node:http').IncomingMessage} request */
async function read(request) {
  let body = '';
  for await (const piece of request.setEncoding('utf8')) body += piece;
  return body;
}
