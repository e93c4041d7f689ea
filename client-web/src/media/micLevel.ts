/** How loud a microphone is, for a meter. */
import { createAudioAnalyser, type LocalAudioTrack } from 'livekit-client';

/** Calls back about 30 times a second with 0..1, until the returned function is called. */
export function watchLevel(track: LocalAudioTrack, onLevel: (level: number) => void): () => void {
  // A clone: stopping our analyser must never stop the track that is about to be published.
  const { analyser, cleanup } = createAudioAnalyser(track, { cloneTrack: true, fftSize: 1024 });
  const samples = new Float32Array(analyser.fftSize);
  const timer = window.setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    onLevel(levelOf(samples));
  }, 33);
  return () => {
    window.clearInterval(timer);
    void cleanup();
  };
}

/** Root mean square in decibels, -60 dB (a quiet room) to -10 dB (a raised voice), as 0..1. */
export function levelOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  const decibels = 20 * Math.log10(Math.max(rms, 1e-6));
  return Math.min(1, Math.max(0, (decibels + 60) / 50));
}
