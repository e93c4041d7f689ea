import { useEffect } from 'react';

/** A phone that goes dark ends the picture for everybody: keep the screen on during a call. */
export function useWakeLock(): void {
  useEffect(() => {
    // Absent on plain http pages and in some browsers: then the system decides.
    const wakeLock = navigator.wakeLock as WakeLock | undefined;
    if (!wakeLock) return;
    let lock: WakeLockSentinel | undefined;
    let current = true;
    const hold = async () => {
      // The browser drops the lock of a hidden page; coming back takes it again.
      if (document.visibilityState !== 'visible') return;
      try {
        const taken = await wakeLock.request('screen');
        if (current) lock = taken;
        else await taken.release();
      } catch {
        // A low battery may refuse. The call matters more than the light.
      }
    };
    const onVisible = () => void hold();
    void hold();
    document.addEventListener('visibilitychange', onVisible);
    return () => {
      current = false;
      document.removeEventListener('visibilitychange', onVisible);
      void lock?.release();
    };
  }, []);
}
