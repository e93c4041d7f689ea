import { describe, expect, it } from 'vitest';
import { failure } from '../state/failure';
import { LocalMedia, type Opener } from './localMedia';

class FakeTrack {
  stopped = false;
  constructor(readonly label: string) {}
  stop() {
    this.stopped = true;
  }
}

type Want = { camera: boolean; microphone: boolean };

/** Devices whose prompts the test answers by hand. */
class Devices implements Opener<FakeTrack, FakeTrack> {
  readonly asked: Want[] = [];
  readonly opened: FakeTrack[] = [];
  /** Devices that refuse, with the reason. */
  readonly broken: { camera?: string; microphone?: string } = {};
  private gate: Promise<void> = Promise.resolve();

  hold(): () => void {
    let open: () => void = () => undefined;
    this.gate = new Promise((resolve) => {
      open = resolve;
    });
    return open;
  }

  async open(want: Want) {
    this.asked.push(want);
    await this.gate;
    const reason =
      (want.camera && this.broken.camera) || (want.microphone && this.broken.microphone);
    if (reason) throw new Error(reason);
    const track = (label: string) => {
      const made = new FakeTrack(label);
      this.opened.push(made);
      return made;
    };
    return {
      ...(want.camera ? { camera: track('camera') } : {}),
      ...(want.microphone ? { microphone: track('microphone') } : {}),
    };
  }

  /** Without a prompt, so to speak. */
  readonly allowed = new Set(['camera', 'microphone']);

  worthTryingAlone(_: unknown, which: string) {
    return Promise.resolve(this.allowed.has(which));
  }

  explain(error: unknown, device: string) {
    return failure('no_device', { title: `${device}: ${(error as Error).message}` });
  }
}

function setUp(intent: Want = { camera: true, microphone: true }) {
  const devices = new Devices();
  const media = new LocalMedia(devices, { ...intent });
  const statuses = () => `${media.get().camera.status} ${media.get().microphone.status}`;
  return { devices, media, statuses };
}

describe('before the call', () => {
  it('asks once for both, so that there is one prompt', async () => {
    const { devices, media, statuses } = setUp();
    const started = media.start();
    expect(statuses()).toBe('starting starting');
    await started;
    expect(statuses()).toBe('on on');
    expect(devices.asked).toEqual([{ camera: true, microphone: true }]);
  });

  it('asks for nothing that the link turned off', async () => {
    const { devices, media, statuses } = setUp({ camera: false, microphone: false });
    await media.start();
    expect(devices.asked).toEqual([]);
    expect(statuses()).toBe('off off');
  });

  it('a missing camera does not cost the microphone', async () => {
    const { devices, media } = setUp();
    devices.broken.camera = 'unplugged';
    await media.start();
    expect(media.get().camera).toMatchObject({
      status: 'failed',
      failure: { title: 'Camera: unplugged' },
    });
    expect(media.get().microphone.status).toBe('on');
  });

  it('somebody who said no is not asked twice more', async () => {
    const { devices, media, statuses } = setUp();
    devices.broken.camera = devices.broken.microphone = 'refused';
    devices.allowed.clear();
    await media.start();
    expect(devices.asked).toHaveLength(1);
    expect(statuses()).toBe('failed failed');
  });

  it('tries again only what is not running', async () => {
    const { devices, media, statuses } = setUp();
    devices.broken.camera = 'busy';
    await media.start();
    delete devices.broken.camera;
    await media.start();
    expect(statuses()).toBe('on on');
    expect(devices.asked.at(-1)).toEqual({ camera: true, microphone: false });
  });

  it('a camera turned off while it was opening does not light up afterwards', async () => {
    const { devices, media, statuses } = setUp({ camera: true, microphone: false });
    const answerPrompt = devices.hold();
    const started = media.start();
    await media.set('camera', false);
    answerPrompt();
    await started;
    expect(statuses()).toBe('off off');
    expect(devices.opened.map((track) => track.stopped)).toEqual([true]);
  });

  it('another camera replaces the running one', async () => {
    const { devices, media } = setUp({ camera: true, microphone: false });
    await media.start();
    await media.reopen('camera');
    expect(devices.opened.map((track) => track.stopped)).toEqual([true, false]);
  });
});

describe('handing over', () => {
  it('the call owns what it was given: stopping the preview leaves it running', async () => {
    const { devices, media } = setUp();
    await media.start();
    const { camera, microphone } = media.release();
    media.stop();
    expect([camera?.label, microphone?.label]).toEqual(['camera', 'microphone']);
    expect(devices.opened.some((track) => track.stopped)).toBe(false);
  });

  it('leaving before joining turns every light off, and remembers what was wanted', async () => {
    const { devices, media } = setUp();
    await media.start();
    media.stop();
    expect(devices.opened.every((track) => track.stopped)).toBe(true);
    expect(media.intent).toEqual({ camera: true, microphone: true });
  });
});
