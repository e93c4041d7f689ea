/**
 * What a back end with `livekit-server-sdk`, unmodified, must be able to do with our server and the people in it: one story
 * each. `case.mjs` runs one of them.
 */
import assert from 'node:assert/strict';

import { DisconnectReason, TrackSource } from '@livekit/rtc-node';
import {
  AccessToken,
  DataPacket_Kind,
  EgressClient,
  EgressStatus,
  EncodedFileOutput,
  RoomConfiguration,
  RoomServiceClient,
  TwirpError,
} from 'livekit-server-sdk';

import { LIMIT_MS, until } from '../../../client-web/e2e/harness/poll.mjs';
import { watch } from './call.mjs';

const KEY = 'devkey';
const SECRET = 'secret';

/** By name, in the order they run. @type {Map<string, (call: import('./call.mjs').Call) => Promise<void>>} */
export const BACK_END_CASES = new Map();

/** @param {string} name @param {(call: import('./call.mjs').Call, rooms: RoomServiceClient) => Promise<void>} story */
const it = (name, story) =>
  BACK_END_CASES.set(`back end: ${name}`, (call) => story(call, client(call)));

const client = (call, secret = SECRET) =>
  new RoomServiceClient(call.wsUrl.replace('ws', 'http'), KEY, secret);

/** @param {string} code @param {number} status */
const refusal = (code, status) => (error) => {
  assert.ok(error instanceof TwirpError, String(error));
  assert.deepEqual([error.code, error.status], [code, status]);
  return true;
};

it('makes rooms, lists and ends them', async (call, rooms) => {
  const made = await rooms.createRoom({
    name: call.room,
    emptyTimeout: 60,
    departureTimeout: 40,
    maxParticipants: 2,
    metadata: 'lesson',
  });
  assert.match(made.sid, /^RM_/);
  assert.deepEqual(
    [made.emptyTimeout, made.departureTimeout, made.maxParticipants, made.metadata],
    [60, 40, 2, 'lesson'],
  );
  const ann = await call.join('ann');
  assert.equal(ann.room.metadata, 'lesson');
  const [listed] = await rooms.listRooms([call.room]);
  assert.deepEqual([listed.sid, listed.numParticipants], [made.sid, 1]);
  assert.equal((await rooms.updateRoomMetadata(call.room, 'break')).metadata, 'break');
  await until('ann knows', () => ann.room.metadata === 'break');
  await rooms.deleteRoom(call.room);
  const [reason] = await ann.sees('disconnected');
  assert.equal(reason, DisconnectReason.ROOM_DELETED);
  assert.deepEqual(await rooms.listRooms([call.room]), []);
});

it('sees people, changes them and what they may do', async (call, rooms) => {
  const [ann, ben] = await call.pair();
  const publication = await ann.publish(call.camera());
  await watch(ben, (await ben.subscribes('ann', TrackSource.SOURCE_CAMERA)).track);
  const people = await rooms.listParticipants(call.room);
  assert.deepEqual(people.map(({ identity }) => identity).sort(), ['ann', 'ben']);
  const muted = await rooms.mutePublishedTrack(call.room, 'ann', publication.sid, true);
  assert.equal(muted.muted, true);
  await ben.sees('trackMuted');
  await assert.rejects(
    rooms.mutePublishedTrack(call.room, 'ann', publication.sid, false),
    refusal('failed_precondition', 412),
  );
  await rooms.updateSubscriptions(call.room, 'ben', [publication.sid], false);
  const changed = await rooms.updateParticipant(call.room, 'ann', {
    name: 'Ann',
    metadata: 'seated',
    attributes: { role: 'guest' },
    permission: { canPublish: false, canSubscribe: true },
  });
  assert.deepEqual([changed.name, changed.tracks.length], ['Ann', 0]);
  await ben.sees('trackUnpublished');
  await until('ben sees it', () => ben.room.remoteParticipants.get('ann').metadata === 'seated');
  assert.equal((await rooms.getParticipant(call.room, 'ann')).attributes.role, 'guest');
});

it('sends data', async (call, rooms) => {
  const [ann, ben] = await call.pair();
  const send = (text, destinationIdentities) =>
    rooms.sendData(call.room, new TextEncoder().encode(text), DataPacket_Kind.RELIABLE, {
      topic: 'news',
      destinationIdentities,
    });
  await send('for ben', ['ben']);
  await send('for all');
  for (const [guest, expected] of [
    [ben, ['for ben', 'for all']],
    [ann, ['for all']],
  ]) {
    await until(
      `${guest.identity} has all`,
      () => guest.all('dataReceived').length === expected.length,
    );
    const heard = guest.all('dataReceived').map(([payload]) => new TextDecoder().decode(payload));
    assert.deepEqual(heard, expected);
  }
});

it('sends people away, and elsewhere', async (call, rooms) => {
  const [ann, ben] = await call.pair();
  await ann.publish(call.camera());
  const other = `${call.room}-other`;
  await rooms.moveParticipant(call.room, 'ann', other);
  await ben.sees('participantDisconnected');
  await until('ann is there', () => ann.room.name === other, 2 * LIMIT_MS);
  await until(
    'with what she sends',
    async () => (await rooms.listParticipants(other))[0]?.tracks.length === 1,
    2 * LIMIT_MS,
  );
  await rooms.removeParticipant(call.room, 'ben');
  const [reason] = await ben.sees('disconnected');
  assert.equal(reason, DisconnectReason.PARTICIPANT_REMOVED);
  await assert.rejects(call.join('ben'), 'not with the token he had');
  await assert.rejects(rooms.removeParticipant(call.room, 'ben'), refusal('not_found', 404));
});

it('signs tokens that make their room', async (call, rooms) => {
  const token = new AccessToken(KEY, SECRET, { identity: 'ann', ttl: '30s' });
  token.addGrant({ roomJoin: true, room: call.room, canPublish: false });
  token.roomConfig = new RoomConfiguration({ maxParticipants: 1, metadata: 'by token' });
  const ann = await call.enter('ann', await token.toJwt());
  assert.equal(ann.room.metadata, 'by token');
  const [room] = await rooms.listRooms([call.room]);
  assert.equal(room.maxParticipants, 1);
  assert.equal((await rooms.getParticipant(call.room, 'ann')).permission.canPublish, false);
});

it('is told what it may not do', async (call, rooms) => {
  await assert.rejects(client(call, 'guessed').listRooms(), refusal('unauthenticated', 401));
  await assert.rejects(rooms.getParticipant(call.room, 'nobody'), refusal('not_found', 404));
  await assert.rejects(rooms.deleteRoom('nowhere'), refusal('not_found', 404));
  await assert.rejects(rooms.createRoom({ name: '' }), refusal('invalid_argument', 400));
});

it('records somebody, and stops', async (call) => {
  const egress = new EgressClient(call.wsUrl.replace('ws', 'http'), KEY, SECRET);
  const ann = await call.join('ann');
  await ann.publish(call.camera());
  const file = new EncodedFileOutput({ filepath: '{room_name}/{publisher_identity}' });
  const { egressId } = await egress.startParticipantEgress(call.room, 'ann', { file });
  const is = (status) => async () => {
    const [info] = await egress.listEgress({ egressId });
    return info.status === status && info;
  };
  await until('it is recorded', is(EgressStatus.EGRESS_ACTIVE), 2 * LIMIT_MS);
  assert.equal((await egress.listEgress({ roomName: call.room, active: true })).length, 1);
  await egress.stopEgress(egressId);
  const over = await until('it is over', is(EgressStatus.EGRESS_COMPLETE), 2 * LIMIT_MS);
  assert.equal(over.fileResults.length, 1);
  assert.equal(over.fileResults[0].filename, `${call.room}/ann.webm`);
  assert.ok(over.fileResults[0].size > 0n);
  await assert.rejects(egress.stopEgress(egressId), refusal('failed_precondition', 412));
  await assert.rejects(egress.stopEgress('EG_nobodyknows'), refusal('not_found', 404));
});
