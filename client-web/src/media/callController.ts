/**
 * Runs one tab's relation to one room: asks the API, connects, reconnects, leaves. Events in, a
 * `Call` value out. Everything with an effect is passed in, so its tests need neither a browser nor a
 * server.
 */
import type { JoinGrant, RoomStatus } from '../api/types';
import { reduceCall, type Call, type CallEvent } from '../state/call';
import type { Failure } from '../state/failure';

export interface CallParts<Session> {
  room(): Promise<RoomStatus>;
  /** Asks for a pass, as the person this tab was before if it was somebody. */
  enter(name: string): Promise<JoinGrant>;
  connect(
    grant: JoinGrant,
    onDisconnected: (failure: Failure | undefined) => void,
  ): Promise<Session>;
  disconnect(session: Session): void;
  /** Opens the wanted devices; runs beside the network requests, never before them. */
  startMedia(): void;
  stopMedia(): void;
  explain(error: unknown): Failure;
}

export class CallController<Session> {
  private call: Call<Session> = { phase: 'checking' };
  private readonly listeners = new Set<() => void>();
  /** Every new attempt outdates the answers still on their way to older ones. */
  private attempt = 0;
  private name = '';

  constructor(
    private readonly parts: CallParts<Session>,
    private readonly joinNowAs: string | undefined,
  ) {}

  get = (): Call<Session> => this.call;

  subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  start(): Promise<void> {
    return this.joinNowAs === undefined ? this.check() : this.join(this.joinNowAs);
  }

  /** Looks the room up and shows the pre-join page. */
  async check(): Promise<void> {
    const attempt = ++this.attempt;
    this.handle({ type: 'check' });
    try {
      const room = await this.parts.room();
      if (attempt === this.attempt) this.handle({ type: 'found', room });
    } catch (error) {
      if (attempt === this.attempt) this.fail(error);
    }
  }

  async join(name: string): Promise<void> {
    const attempt = ++this.attempt;
    this.name = name;
    this.handle({ type: 'join' });
    this.parts.startMedia();
    try {
      const grant = await this.parts.enter(name);
      if (attempt !== this.attempt) return;
      const session = await this.parts.connect(grant, (failure) => {
        if (attempt === this.attempt) this.handle({ type: 'disconnected', failure });
      });
      if (attempt === this.attempt) {
        this.handle({ type: 'connected', session, room: grant.room });
      } else {
        // The person left while we were connecting: a ghost must not stay in the room.
        this.parts.disconnect(session);
      }
    } catch (error) {
      if (attempt === this.attempt) this.fail(error);
    }
  }

  /** Back into the room under the same name, without another look in the mirror. */
  rejoin(): Promise<void> {
    return this.name === '' ? this.check() : this.join(this.name);
  }

  leave(): void {
    if (this.call.phase !== 'connected') return;
    const { session } = this.call;
    this.attempt++;
    this.handle({ type: 'disconnected', failure: undefined });
    this.parts.disconnect(session);
  }

  dispose(): void {
    this.attempt++;
    if (this.call.phase === 'connected') this.parts.disconnect(this.call.session);
    this.parts.stopMedia();
    this.call = { phase: 'checking' };
  }

  private fail(error: unknown): void {
    const failure = this.parts.explain(error);
    this.handle({ type: 'failed', failure });
    // A camera light on an error page would be hard to explain; back on pre-join it stays.
    if (this.call.phase === 'failed') this.parts.stopMedia();
  }

  private handle(event: CallEvent<Session>): void {
    this.call = reduceCall(this.call, event);
    for (const listener of this.listeners) listener();
  }
}
