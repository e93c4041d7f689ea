/**
 * Runs one tab's relation to one room: asks the API, connects, reconnects, leaves. Events in, a
 * `Call` value out. Everything with an effect is passed in, so its tests need neither a browser nor a
 * server.
 */
import type { JoinAnswer, JoinGrant, RoomInfo, RoomStatus } from '../api/types';
import { isAtDoor, isQuestion, reduceCall, type Call, type CallEvent } from '../state/call';
import { failure, type Failure } from '../state/failure';
import type { Standing } from './lobby';

/** How often one asks whether a host has decided. The server forgets who has not asked for 30 s. */
const LOBBY_EVERY_MS = 2000;

/** Why the lobby let nobody in: a refusal, or the ticket is not known any more. */
class NotLetIn extends Error {
  constructor(readonly failure: Failure) {
    super(failure.title);
  }
}

/** What the door of a room may ask, beside a name. */
export interface Answers {
  password?: string | undefined;
  /** Agrees to be recorded. */
  consents?: boolean | undefined;
}

export interface CallParts<Session> {
  room(): Promise<RoomStatus>;
  /** Asks for a pass, as the person this tab was before if it was somebody. */
  enter(name: string, answers: Answers): Promise<JoinAnswer>;
  /** What has become of a ticket of the lobby; `undefined` while the server does not answer. */
  standing(ticket: string): Promise<Standing | undefined>;
  /** Gives a place in the lobby back. */
  withdraw(ticket: string): void;
  pause(ms: number): Promise<void>;
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
  private answers: Answers = {};
  private ticket: string | undefined;

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
      if (attempt === this.attempt) await this.fail(error, attempt);
    }
  }

  /** Looks again whether the room is as it was, such as whether it is being recorded, while one is at its door. */
  look = async (): Promise<void> => {
    if (!isAtDoor(this.call)) return;
    const attempt = this.attempt;
    const room = await this.parts.room();
    if (attempt === this.attempt) this.handle({ type: 'news', room });
  };

  async join(name: string, answers: Answers = {}): Promise<void> {
    const attempt = ++this.attempt;
    this.name = name;
    this.answers = answers;
    this.handle({ type: 'join' });
    this.parts.startMedia();
    try {
      const grant = await this.enter(attempt);
      if (grant === undefined || attempt !== this.attempt) return;
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
      if (attempt === this.attempt) await this.fail(error, attempt);
    }
  }

  /** A pass, at once or from the lobby; `undefined` when the person has left the line meanwhile. */
  private async enter(attempt: number): Promise<JoinGrant | undefined> {
    const { name, answers } = this;
    let answer = await this.parts.enter(name, answers);
    // A computer that slept is forgotten: it knocks again by itself, but only once.
    for (let mayKnock = true; 'waiting' in answer; mayKnock = false) {
      const outcome = await this.wait(attempt, answer.waiting);
      if (outcome !== 'gone') return outcome;
      if (!mayKnock) throw new NotLetIn(failure('lobby_gone'));
      answer = await this.parts.enter(name, answers);
    }
    return answer;
  }

  private async wait(
    attempt: number,
    { ticket, position }: { ticket: string; position: number },
  ): Promise<JoinGrant | 'gone' | undefined> {
    if (attempt !== this.attempt) {
      this.parts.withdraw(ticket);
      return undefined;
    }
    this.ticket = ticket;
    this.handle({ type: 'waiting', position });
    for (;;) {
      await this.parts.pause(LOBBY_EVERY_MS);
      if (attempt !== this.attempt) return undefined;
      const standing = await this.parts.standing(ticket);
      if (attempt !== this.attempt) return undefined;
      if (standing === undefined) continue;
      if (standing.state === 'waiting') {
        this.handle({ type: 'waiting', position: standing.position });
        continue;
      }
      this.ticket = undefined;
      if (standing.state === 'admitted') return standing;
      if (standing.state === 'gone') return 'gone';
      throw new NotLetIn(failure('lobby_refused'));
    }
  }

  /** Leaves the line, back to the page before the call. */
  withdraw(): Promise<void> {
    this.giveTicketBack();
    return this.check();
  }

  /** Back into the room under the same name, without another look in the mirror. */
  rejoin(): Promise<void> {
    return this.name === '' ? this.check() : this.join(this.name, this.answers);
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
    this.giveTicketBack();
    if (this.call.phase === 'connected') this.parts.disconnect(this.call.session);
    this.parts.stopMedia();
    this.call = { phase: 'checking' };
  }

  private giveTicketBack(): void {
    if (this.ticket !== undefined) this.parts.withdraw(this.ticket);
    this.ticket = undefined;
  }

  private async fail(error: unknown, attempt: number): Promise<void> {
    // Nobody stays in line who does not ask any more.
    this.giveTicketBack();
    const failure = error instanceof NotLetIn ? error.failure : this.parts.explain(error);
    let room: RoomInfo | undefined;
    if (isQuestion(failure) && this.call.phase === 'joining' && this.call.room === undefined) {
      // A link that joins at once met a question: it is asked on the page that knows the room.
      room = await this.parts.room().catch(() => undefined);
      if (attempt !== this.attempt) return;
    }
    this.handle({ type: 'failed', failure, room });
    // A camera light on an error page would be hard to explain; back on pre-join it stays.
    if (this.call.phase === 'failed') this.parts.stopMedia();
  }

  private handle(event: CallEvent<Session>): void {
    this.call = reduceCall(this.call, event);
    for (const listener of this.listeners) listener();
  }
}
