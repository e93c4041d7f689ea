/**
 * My camera and microphone before the call: opens them, shows them, hands them over.
 * Owns its tracks until `release`, and stops every track it owns: a camera light that stays on after
 * leaving is a broken promise. Knows no React and, through `Opener`, no browser.
 */
import { failure, type Failure } from '../state/failure';

export interface Stoppable {
  stop(): void;
}

export type DeviceState<T> =
  | { status: 'off' }
  | { status: 'starting' }
  | { status: 'on'; track: T }
  | { status: 'failed'; failure: Failure };

export interface LocalMediaState<V, A> {
  camera: DeviceState<V>;
  microphone: DeviceState<A>;
}

/** Opens one or both devices, or throws what the browser threw. */
export interface Opener<V, A> {
  open(want: { camera: boolean; microphone: boolean }): Promise<{ camera?: V; microphone?: A }>;
  explain(error: unknown, device: 'Camera' | 'Microphone'): Failure;
  /** Both together failed with this error: may this one work alone, without a second prompt? */
  worthTryingAlone(error: unknown, which: 'camera' | 'microphone'): Promise<boolean>;
}

type Which = 'camera' | 'microphone';
const OFF = { status: 'off' } as const;

export class LocalMedia<V extends Stoppable, A extends Stoppable> {
  private state: LocalMediaState<V, A> = { camera: OFF, microphone: OFF };
  private readonly listeners = new Set<() => void>();
  /** Bumped by every request for a device; an answer to an older request is stopped, not shown. */
  private readonly turn = { camera: 0, microphone: 0 };

  constructor(
    private readonly opener: Opener<V, A>,
    /** What the person wants on; survives `stop`, so that "rejoin" comes back as they were. */
    readonly intent: { camera: boolean; microphone: boolean },
  ) {}

  get = (): LocalMediaState<V, A> => this.state;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Opens what is wanted and not yet open: both in one request, so that there is one prompt. */
  async start(): Promise<void> {
    const wanted = (['camera', 'microphone'] as const).filter(
      (which) => this.intent[which] && !isBusy(this.state[which]),
    );
    if (wanted.length < 2) {
      await Promise.all(wanted.map((which) => this.open([which])));
      return;
    }
    const attempt = await this.open(wanted);
    if (attempt.ok) return;
    // One of the two may still work alone, and only alone tells which one is at fault.
    for (const which of wanted) {
      const alone = await this.opener.worthTryingAlone(attempt.error, which);
      if (alone && this.state[which].status === 'failed') await this.open([which]);
    }
  }

  async set(which: Which, on: boolean): Promise<void> {
    this.intent[which] = on;
    if (!on) this.close(which);
    else if (!isBusy(this.state[which])) await this.open([which]);
  }

  /** Another device was chosen: open it in place of the running one. */
  async reopen(which: Which): Promise<void> {
    if (!this.intent[which]) return;
    this.close(which);
    await this.open([which]);
  }

  /** Hands the tracks over; from here on somebody else stops them. */
  release(): { camera?: V; microphone?: A } {
    const { camera, microphone } = this.state;
    this.forget();
    return {
      ...(camera.status === 'on' ? { camera: camera.track } : {}),
      ...(microphone.status === 'on' ? { microphone: microphone.track } : {}),
    };
  }

  stop(): void {
    this.close('camera');
    this.close('microphone');
  }

  private async open(
    devices: readonly Which[],
  ): Promise<{ ok: true } | { ok: false; error: unknown }> {
    const turns = devices.map((which) => [which, ++this.turn[which]] as const);
    for (const which of devices) this.put(which, { status: 'starting' });
    const isCurrent = ([which, turn]: readonly [Which, number]) => this.turn[which] === turn;
    try {
      const tracks = await this.opener.open({
        camera: devices.includes('camera'),
        microphone: devices.includes('microphone'),
      });
      for (const mine of turns) {
        const [which] = mine;
        const track = tracks[which];
        if (!isCurrent(mine)) track?.stop();
        else if (track) this.put(which, { status: 'on', track } as DeviceState<V & A>);
        else this.put(which, { status: 'failed', failure: failure('no_device') });
      }
      return { ok: true };
    } catch (error) {
      for (const mine of turns) {
        if (!isCurrent(mine)) continue;
        const [which] = mine;
        const device = which === 'camera' ? 'Camera' : 'Microphone';
        this.put(which, { status: 'failed', failure: this.opener.explain(error, device) });
      }
      return { ok: false, error };
    }
  }

  private close(which: Which): void {
    this.turn[which]++;
    const state = this.state[which];
    if (state.status === 'on') state.track.stop();
    this.put(which, OFF);
  }

  private forget(): void {
    this.turn.camera++;
    this.turn.microphone++;
    this.state = { camera: OFF, microphone: OFF };
    this.announce();
  }

  private put(which: Which, state: DeviceState<V & A>): void {
    this.state = { ...this.state, [which]: state };
    this.announce();
  }

  private announce(): void {
    for (const listener of this.listeners) listener();
  }
}

function isBusy(state: DeviceState<unknown>): boolean {
  return state.status === 'on' || state.status === 'starting';
}
