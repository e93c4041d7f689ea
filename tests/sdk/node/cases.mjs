/**
 * What `@livekit/rtc-node`, unmodified, must be able to do with our server: one story each, told in a call of its own.
 * `case.mjs` runs one of them.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  DataPacketKind,
  DisconnectReason,
  RpcError,
  SimulateScenarioKind,
  TrackSource,
} from '@livekit/rtc-node';

import { LIMIT_MS, until } from '../../../client-web/e2e/harness/poll.mjs';
import { listen, watch } from './call.mjs';

const { SOURCE_CAMERA, SOURCE_MICROPHONE } = TrackSource;
const bytes = (text) => new TextEncoder().encode(text);
const text = (data) => new TextDecoder().decode(data);

/** By name, in the order they run. @type {Map<string, (call: import('./call.mjs').Call) => Promise<void>>} */
export const CASES = new Map();

/** @param {string} name @param {(call: import('./call.mjs').Call) => Promise<void>} story */
const it = (name, story) => CASES.set(name, story);

it('connects and learns about the room', async (call) => {
  const ann = await call.join('ann', {}, { name: 'Ann', attributes: { role: 'host' } });
  assert.equal(ann.room.name, call.room);
  assert.match(await ann.room.getSid(), /^RM_/);
  assert.equal(ann.me.name, 'Ann');
  assert.deepEqual({ ...ann.me.attributes }, { role: 'host' });
});

it('refuses a token signed by a stranger', async (call) => {
  await assert.rejects(call.join('eve', {}, { secret: 'guessed' }));
});

it('publishes and receives pictures and sound', async (call) => {
  const [ann, ben] = await call.pair();
  for (const guest of [ann, ben]) {
    await guest.publish(call.camera());
    await guest.publish(call.microphone());
  }
  for (const [here, there] of [
    [ann, 'ben'],
    [ben, 'ann'],
  ]) {
    await watch(here, (await here.subscribes(there, SOURCE_CAMERA)).track);
    await listen((await here.subscribes(there, SOURCE_MICROPHONE)).track);
  }
});

it('waits for the first subscriber', async (call) => {
  const [ann] = await call.pair();
  await (await ann.publish(call.camera())).waitForSubscription();
});

it('shows a late guest what is on', async (call) => {
  const ann = await call.join('ann');
  await ann.publish(call.camera());
  await ann.publish(call.microphone());
  const late = await call.join('late');
  await watch(late, (await late.subscribes('ann', SOURCE_CAMERA)).track);
  await listen((await late.subscribes('ann', SOURCE_MICROPHONE)).track);
});

it('sends data both ways, reliably and not', async (call) => {
  const [ann, ben] = await call.pair();
  for (const [here, there] of [
    [ann, ben],
    [ben, ann],
  ]) {
    await here.me.publishData(bytes('sure'), { reliable: true, topic: 't' });
    const [payload, from, kind, topic] = await there.sees('dataReceived');
    assert.deepEqual(
      [text(payload), from.identity, kind, topic],
      ['sure', here.identity, DataPacketKind.KIND_RELIABLE, 't'],
    );
    there.forget();
    await until('lossy data comes', async () => {
      await here.me.publishData(bytes('perhaps'), { reliable: false, topic: 't' });
      return there.all('dataReceived').some(([, , kind]) => kind === DataPacketKind.KIND_LOSSY);
    });
  }
});

it('sends data only to whom it is meant for', async (call) => {
  const [ann, ben] = await call.pair();
  const eve = await call.join('eve');
  await ann.seesParticipant('eve');
  await ann.me.publishData(bytes('private'), { reliable: true, destination_identities: ['ben'] });
  await ann.me.publishData(bytes('public'), { reliable: true });
  await until('ben has both', () => ben.all('dataReceived').length === 2);
  await eve.sees('dataReceived');
  assert.deepEqual(
    eve.all('dataReceived').map(([payload]) => text(payload)),
    ['public'],
  );
});

it('chats over text streams', async (call) => {
  const [ann, ben] = await call.pair();
  const said = [];
  for (const guest of [ann, ben]) {
    guest.room.registerTextStreamHandler('lk.chat', async (reader, { identity }) => {
      said.push(`${identity} to ${guest.identity}: ${await reader.readAll()}`);
    });
  }
  await ann.me.sendText('Hello Ben 👋', { topic: 'lk.chat' });
  await until('ben reads', () => said.includes('ann to ben: Hello Ben 👋'));
  await ben.me.sendText('Hello Ann', { topic: 'lk.chat' });
  await until('ann reads', () => said.includes('ben to ann: Hello Ann'));
});

it('sends a file', async (call) => {
  const [ann, ben] = await call.pair();
  const content = Uint8Array.from({ length: 200_000 }, (_, n) => (n * 31) % 251);
  const folder = await mkdtemp(join(tmpdir(), 'sluice-'));
  try {
    await writeFile(join(folder, 'picture.bin'), content);
    let received;
    ben.room.registerByteStreamHandler('files', async (reader) => {
      received = Buffer.concat(await reader.readAll());
    });
    await ann.me.sendFile(join(folder, 'picture.bin'), { topic: 'files', name: 'picture.bin' });
    await until('the file is here', () => received);
    assert.ok(received.equals(content));
  } finally {
    await rm(folder, { recursive: true });
  }
});

it('calls procedures, and hears of their errors', async (call) => {
  const [ann, ben] = await call.pair();
  ben.me.registerRpcMethod('greet', async ({ callerIdentity }) => `Hello ${callerIdentity}`);
  ben.me.registerRpcMethod('refuse', async () => {
    throw new RpcError(42, 'not today', 'try tomorrow');
  });
  const perform = (method) =>
    ann.me.performRpc({ destinationIdentity: 'ben', method, payload: '' });
  assert.equal(await perform('greet'), 'Hello ann');
  await assert.rejects(perform('refuse'), { code: 42, data: 'try tomorrow' });
  await assert.rejects(perform('nothing'), { code: RpcError.ErrorCode.UNSUPPORTED_METHOD });
});

it('tells attributes, metadata and names', async (call) => {
  const [ann, ben] = await call.pair();
  await ann.me.setAttributes({ hand: 'up' });
  const [changed, who] = await ben.sees('participantAttributesChanged');
  assert.deepEqual([{ ...changed }, who.identity], [{ hand: 'up' }, 'ann']);
  await ann.me.updateMetadata('seated');
  await ben.sees('participantMetadataChanged');
  await ann.me.updateName('Anna');
  await ben.sees('participantNameChanged', (name) => name === 'Anna');
  assert.equal(ben.room.remoteParticipants.get('ann').metadata, 'seated');
});

it('publishes and unpublishes again and again', async (call) => {
  const [ann, ben] = await call.pair();
  for (let cycle = 0; cycle < 4; cycle++) {
    const video = await ann.publish(call.camera());
    const audio = await ann.publish(call.microphone());
    await watch(ben, (await ben.subscribes('ann', SOURCE_CAMERA)).track);
    await listen((await ben.subscribes('ann', SOURCE_MICROPHONE)).track);
    await ann.me.unpublishTrack(video.sid);
    await ann.me.unpublishTrack(audio.sid);
    await until(
      'ben sees nothing',
      () => ben.room.remoteParticipants.get('ann').trackPublications.size === 0,
    );
  }
});

it('subscribes by hand', async (call) => {
  const ann = await call.join('ann');
  const ben = await call.join('ben', { autoSubscribe: false });
  await ann.publish(call.camera());
  const [publication] = await ben.sees('trackPublished');
  assert.equal(publication.track, undefined);
  publication.setSubscribed(true);
  await watch(ben, (await ben.subscribes('ann', SOURCE_CAMERA)).track);
});

it('sees who speaks', async (call) => {
  const [ann, ben] = await call.pair();
  await ann.publish(call.microphone());
  await ben.sees('activeSpeakersChanged', (speakers) =>
    speakers.some(({ identity }) => identity === 'ann'),
  );
});

it('sees who leaves, and why', async (call) => {
  const [ann, ben] = await call.pair();
  await ben.room.disconnect();
  const [left] = await ann.sees('participantDisconnected');
  assert.deepEqual(
    [left.identity, left.disconnectReason],
    ['ben', DisconnectReason.CLIENT_INITIATED],
  );
});

it('gives an identity to who comes last', async (call) => {
  const ann = await call.join('ann');
  const first = await call.join('ben');
  const second = await call.join('ben');
  const [reason] = await first.sees('disconnected');
  assert.equal(reason, DisconnectReason.DUPLICATE_IDENTITY);
  await until(
    'ann sees the second',
    () => ann.room.remoteParticipants.get('ben')?.sid === second.me.sid,
  );
});

it('calls with end-to-end encryption', async (call) => {
  const encryption = {
    keyProviderOptions: { sharedKey: bytes('open sesame') },
    encryptionType: 1,
  };
  const [ann, ben] = await call.pair({ encryption });
  await ann.publish(call.camera());
  await ann.publish(call.microphone());
  await watch(ben, (await ben.subscribes('ann', SOURCE_CAMERA)).track);
  await listen((await ben.subscribes('ann', SOURCE_MICROPHONE)).track);
});

for (const scenario of ['SIGNAL_RECONNECT', 'FULL_RECONNECT', 'NODE_FAILURE']) {
  it(`survives ${scenario}`, async (call) => {
    const [ann, ben] = await call.pair();
    await ben.publish(call.camera());
    await watch(ann, (await ann.subscribes('ben', SOURCE_CAMERA)).track);
    await ben.room.simulateScenario(SimulateScenarioKind[`SIMULATE_${scenario}`]);
    await ben.sees('reconnected', undefined, 2 * LIMIT_MS);
    await until(
      'ann sees ben again',
      async () => {
        await watch(ann, (await ann.subscribes('ben', SOURCE_CAMERA)).track);
        return true;
      },
      2 * LIMIT_MS,
    );
  });
}
