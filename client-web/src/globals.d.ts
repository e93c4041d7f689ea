import type { Room } from 'livekit-client';

declare global {
  interface Window {
    /** The current (or last) livekit Room of this tab. A stable debugging hook, see README.md. */
    sluice?: { room: Room };
  }
}
