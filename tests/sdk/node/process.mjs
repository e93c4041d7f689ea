/**
 * Runs cases in processes of their own. The SDK is mostly native code, and when that crashes it takes its process
 * along: here that is one case and not the suite. A crash says nothing about the server, nor do pictures that the SDK
 * lost (`LostSink` in `call.mjs`): the case is told again, and that is reported; one that fails by itself never is.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('case.mjs', import.meta.url));
/** What a program dies of by itself: nobody sends these. */
const CRASHES = ['SIGABRT', 'SIGBUS', 'SIGFPE', 'SIGILL', 'SIGSEGV', 'SIGTRAP'];
/** Exit code of a case in which the SDK lost its pictures. */
export const LOST_SINK = 75;
/** What comes three times in a row is not rare any more: it may well be something the server says. */
const ATTEMPTS = 3;
/** The longest case waits for two recoveries. */
const CASE_LIMIT_MS = 2 * 60_000;

/** The names of all cases. @returns {Promise<string[]>} */
export async function names() {
  const { output, ended } = await run([]);
  if (ended !== '0') throw new Error(`the cases cannot be listed (${ended}):\n${output}`);
  return JSON.parse(output);
}

/**
 * Runs a case until it has passed or failed.
 *
 * @param {{ wsUrl: string }} server
 * @param {string} name
 * @param {(remark: string) => void} report takes what is to be known about a case that passed
 */
export async function passes(server, name, report) {
  for (let attempt = 1; ; attempt++) {
    const { output, ended } = await run([server.wsUrl, name]);
    if (ended === '0') return;
    const isLost = ended === String(LOST_SINK);
    if (!isLost && !CRASHES.includes(ended)) {
      throw new Error(`the case failed (${ended}):\n${output}`);
    }
    const what = isLost ? 'lost its pictures' : `crashed with ${ended}`;
    const remark = `the SDK ${what}, attempt ${attempt} of ${ATTEMPTS}: "${name}"`;
    if (attempt === ATTEMPTS) throw new Error(`${remark}\n${output}`);
    report(remark);
    console.error(`${remark}\n${output}`);
  }
}

/**
 * Runs the program to its end, or to the end of its time.
 *
 * @param {string[]} parameters
 * @returns {Promise<{ output: string, ended: string }>} what it said, and its exit code or the signal it died of
 */
async function run(parameters) {
  const child = spawn(process.execPath, [PROGRAM, ...parameters], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Of a test runner around it, which would otherwise wait for reports of it.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined },
  });
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  const late = setTimeout(kill, CASE_LIMIT_MS);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => (output += text));
  }
  const [code, signal] = await once(child, 'close');
  clearTimeout(late);
  process.off('exit', kill);
  return { output, ended: signal ?? String(code) };
}
