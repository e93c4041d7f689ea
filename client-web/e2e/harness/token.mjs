/** Access tokens of development mode, for the SDK tests; people with the web client get theirs from the server. */
import { createHmac, randomUUID } from 'node:crypto';

const HOUR_S = 3600;

/** @param {unknown} value */
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/**
 * @param {string} room
 * @param {string} identity
 * @param {{ name?: string, attributes?: Record<string, string>, video?: Record<string, unknown>, key?: string, secret?: string }} [options]
 * `video`: grants beside the usual ones
 */
export function token(room, identity, options = {}) {
  const { name = identity, attributes, video = {}, key = 'devkey', secret = 'secret' } = options;
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: key,
    sub: identity,
    jti: randomUUID(),
    nbf: now - 10,
    exp: now + HOUR_S,
    name,
    ...(attributes && { attributes }),
    video: { roomJoin: true, room, canUpdateOwnMetadata: true, ...video },
  };
  const signed = `${encode({ alg: 'HS256', typ: 'JWT' })}.${encode(claims)}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
