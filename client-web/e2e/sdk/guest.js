/* One participant on a bare page, for the SDK tests: the room, and everything that ever happened in it. */
/* global LivekitClient */

// The same hook that the web client offers.
window.sluice = { room: undefined };

/** @type {{ event: string, parameters: any[] }[]} */
window.events = [];

/** Events as plain values: tests read them from outside. */
function plain(value) {
  if (value instanceof Uint8Array) return new TextDecoder().decode(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value?.identity !== undefined) return { identity: value.identity, sid: value.sid };
  if (value?.trackSid !== undefined) return { sid: value.trackSid, source: value.source };
  if (value?.id !== undefined && value?.message !== undefined) return { message: value.message };
  return typeof value === 'object' && value?.constructor !== Object ? undefined : value;
}

/** From now on this browser cannot receive these codecs (`VP9`): it says so in its offers and answers. */
window.lack = (names) => {
  if (names.length === 0) return;
  const isLacked = ({ mimeType }) =>
    names.some((name) => mimeType.toUpperCase() === `VIDEO/${name}`);
  const receives = ({ direction, receiver }) =>
    receiver.track.kind === 'video' && direction !== 'sendonly' && direction !== 'stopped';
  for (const method of ['createOffer', 'createAnswer']) {
    const original = RTCPeerConnection.prototype[method];
    RTCPeerConnection.prototype[method] = function (...parameters) {
      const { codecs } = RTCRtpReceiver.getCapabilities('video');
      const known = codecs.filter((codec) => !isLacked(codec));
      for (const transceiver of this.getTransceivers().filter(receives))
        transceiver.setCodecPreferences(known);
      return original.apply(this, parameters);
    };
  }
};

window.join = async ({ url, token, room: options, connect, readsMetadata }) => {
  const frameMetadata = readsMetadata && { worker: new Worker('metadata-worker.js') };
  const room = new LivekitClient.Room({ ...options, ...(frameMetadata && { frameMetadata }) });
  window.sluice.room = room;
  for (const event of Object.values(LivekitClient.RoomEvent)) {
    room.on(event, (...parameters) =>
      window.events.push({ event, parameters: parameters.map(plain) }),
    );
  }
  // Sound counts as heard only when an element plays it.
  room.on('trackSubscribed', (track) => document.body.append(track.attach()));
  room.on('trackUnsubscribed', (track) => track.detach().forEach((element) => element.remove()));
  await room.connect(url, token, connect);
};
