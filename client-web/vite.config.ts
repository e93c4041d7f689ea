import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

const server = 'http://localhost:7880';

export default defineConfig({
  plugins: [react()],
  server: {
    port: 5173,
    proxy: {
      '/api': server,
      '/rtc': { target: server, ws: true },
    },
  },
  build: {
    outDir: 'dist',
    assetsDir: 'assets',
    target: 'es2022',
    // Inlined data: URIs would need `img-src data:` in the content security policy.
    assetsInlineLimit: 0,
    // livekit-client alone is about 600 kB; it is loaded with the room, not with the home page.
    chunkSizeWarningLimit: 1200,
  },
  // The end-to-end encryption worker is an ES module of its own.
  worker: { format: 'es' },
  test: {
    restoreMocks: true,
    unstubGlobals: true,
    // A DOM costs a second per file: only tests that need one (*.test.tsx) get it.
    projects: [
      {
        extends: true,
        test: { name: 'pure', environment: 'node', include: ['src/**/*.test.ts'] },
      },
      {
        extends: true,
        test: {
          name: 'dom',
          environment: 'jsdom',
          include: ['src/**/*.test.tsx'],
          setupFiles: ['src/test/setup.ts'],
        },
      },
    ],
  },
});
