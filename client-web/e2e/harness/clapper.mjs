/**
 * Somebody with a clapperboard on a bare page: a camera that flashes and a microphone that beeps, both at once and again
 * and again. Every picture has its number in it, and the page knows when it drew which: so that of a film that was made of
 * it one can say which picture is where, and where it should be.
 */

/** Of the picture, in blocks: the upper rows flash, the last two have the number and the opposite of all its bits. */
export const BOARD = { columns: 16, rows: 9, flashRows: 6, numberRow: 7, checkRow: 8 };

/** Between two claps: longer than any error that is looked for, so that no flash is taken for another's. */
const CLAP_EVERY_MS = 700;

/** Between two pictures. */
const FRAME_MS = 1000 / 30;

/**
 * Begins to draw and to sound in the page; publishes nothing yet.
 *
 * @param {import('./sdk.mjs').SdkGuest} guest
 */
export function takesClapper(guest) {
  return guest.does(clapInPage, { ...BOARD, frameMs: FRAME_MS, clapEveryMs: CLAP_EVERY_MS });
}

/** How often it has clapped. @param {import('./sdk.mjs').SdkGuest} guest */
export const clapsOf = (guest) => guest.does(() => window.clapper.claps.length);

/** Draws nothing more; the microphone stays. @param {import('./sdk.mjs').SdkGuest} guest */
export const putsClapperDown = (guest) => guest.does(() => void (window.clapper.isDown = true));

/**
 * Ends the call in the page, and says what was before the camera and the microphone until then, by the clock of the page:
 * when it drew which picture, with which it began to flash, when it began to beep.
 *
 * @param {import('./sdk.mjs').SdkGuest} guest
 * @returns {Promise<{ drawnMs: number[], claps: { frame: number, beepedMs: number }[] }>}
 */
export const whatItDid = (guest) =>
  guest.does(async () => {
    await window.sluice.room.disconnect();
    const { drawnMs, claps } = window.clapper;
    return { drawnMs, claps };
  });

/**
 * What a picture says of itself.
 *
 * @param {Uint8Array} blocks its mean brightness in each block
 * @returns {{ number: number | undefined, isFlash: boolean }} no number where it cannot be read
 */
export function readBoard(blocks) {
  const { columns, flashRows, numberRow, checkRow } = BOARD;
  const row = (number) =>
    blocks
      .subarray(number * columns, (number + 1) * columns)
      .reduce((bits, light) => bits * 2 + (light >= 128 ? 1 : 0), 0);
  const number = row(numberRow);
  const isSound = row(checkRow) === (number ^ (2 ** columns - 1));
  const flash = blocks.subarray(0, flashRows * columns);
  const mean = flash.reduce((sum, light) => sum + light, 0) / flash.length;
  return { number: isSound ? number : undefined, isFlash: mean >= 128 };
}

/** Runs in the page. */
async function clapInPage({ columns, rows, flashRows, numberRow, checkRow, frameMs, clapEveryMs }) {
  const [WIDTH, HEIGHT, FLASH_MS] = [960, 540, 150];
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [WIDTH, HEIGHT];
  const pen = canvas.getContext('2d');
  const [wide, high] = [WIDTH / columns, HEIGHT / rows];
  const { microphone, setsSounding } = await makeSound();
  const [camera] = canvas.captureStream().getVideoTracks();
  const [drawnMs, claps] = [[], []];
  window.clapper = { camera, microphone, drawnMs, claps, isDown: false };
  let [nextMs, changeMs, isFlash] = [performance.now(), performance.now() + clapEveryMs, false];

  const draw = (number) => {
    pen.fillStyle = isFlash ? '#fff' : '#000';
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    // Something for the encoder to do: a real camera never stands still.
    pen.fillStyle = isFlash ? '#ddd' : '#333';
    pen.fillRect((number * 7) % WIDTH, high, wide, (flashRows - 2) * high);
    for (let column = 0; column < columns; column++) {
      const bit = (number >> (columns - 1 - column)) & 1;
      pen.fillStyle = bit ? '#fff' : '#000';
      pen.fillRect(column * wide, numberRow * high, wide, high);
      pen.fillStyle = bit ? '#000' : '#fff';
      pen.fillRect(column * wide, checkRow * high, wide, high);
    }
  };
  const tick = () => {
    if (window.clapper.isDown) return setsSounding(false);
    requestAnimationFrame(tick);
    const now = performance.now();
    if (now < nextMs) return;
    nextMs = Math.max(nextMs + frameMs, now);
    if (now >= changeMs) {
      isFlash = !isFlash;
      setsSounding(isFlash);
      if (isFlash) claps.push({ frame: drawnMs.length, beepedMs: performance.now() });
      changeMs = now + (isFlash ? FLASH_MS : clapEveryMs - FLASH_MS);
    }
    draw(drawnMs.length);
    drawnMs.push(performance.now());
  };
  tick();

  /** Lets sound through and says when it began, by the clock of the machine. A beep begins up to 10 ms after it was asked for. */
  async function makeEar(context) {
    const module = `registerProcessor('ear', class extends AudioWorkletProcessor {
      sounds = false;
      process([[input]], [[output]]) {
        if (!input) return true;
        output.set(input);
        const sounds = input.some((sample) => sample !== 0);
        if (sounds && !this.sounds) this.port.postMessage(Date.now());
        this.sounds = sounds;
        return true;
      }
    });`;
    await context.audioWorklet.addModule(
      URL.createObjectURL(new Blob([module], { type: 'text/javascript' })),
    );
    return new AudioWorkletNode(context, 'ear', { outputChannelCount: [1] });
  }

  /** A track that beeps while it is told to. */
  async function makeSound() {
    // Without a device for sound Firefox keeps audio contexts suspended: there its fake microphone hums, when it is on.
    if (navigator.userAgent.includes('Firefox')) {
      const [track] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks();
      track.enabled = false;
      return { microphone: track, setsSounding: (is) => void (track.enabled = is) };
    }
    const context = new AudioContext({ sampleRate: 48_000, latencyHint: 'interactive' });
    await context.resume();
    const loudness = new GainNode(context, { gain: 0 });
    const tone = new OscillatorNode(context, { frequency: 1000 });
    const out = new MediaStreamAudioDestinationNode(context);
    const ear = await makeEar(context);
    tone.connect(loudness).connect(ear).connect(out);
    ear.port.onmessage = ({ data }) => {
      claps.at(-1).beepedMs = data - performance.timeOrigin;
    };
    tone.start();
    const setsSounding = (is) => loudness.gain.setValueAtTime(is ? 0.5 : 0, context.currentTime);
    return { microphone: out.stream.getAudioTracks()[0], setsSounding };
  }
}
