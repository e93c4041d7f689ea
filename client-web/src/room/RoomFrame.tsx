import type { ReactNode } from 'react';

interface RoomFrameProps {
  top: ReactNode;
  banner?: ReactNode;
  children: ReactNode;
  invite?: ReactNode;
  panel?: ReactNode;
  controls: ReactNode;
  toasts: ReactNode;
}

/** Where the parts of a call go. Knows nothing of livekit, so the gallery shows it with invented people. */
export function RoomFrame({
  top,
  banner,
  children,
  invite,
  panel,
  controls,
  toasts,
}: RoomFrameProps) {
  return (
    <div className="room" data-testid="room" data-panel={panel !== undefined}>
      {top}
      <main className="room-main">
        {banner}
        {children}
        {invite}
      </main>
      {panel}
      {toasts}
      <footer className="room-foot">{controls}</footer>
    </div>
  );
}
