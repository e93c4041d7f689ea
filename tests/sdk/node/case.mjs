/**
 * Runs one case in this process: `node case.mjs WS_URL NAME`. Ends with 0 when it passed, with 1 and the reason on
 * standard error when it did not, with `LOST_SINK` when the SDK took its pictures from it. `node case.mjs` lists the names
 * as JSON.
 */
import { dispose } from '@livekit/rtc-node';

import { BACK_END_CASES } from './back-end.mjs';
import { Call, LostSink } from './call.mjs';
import { CASES } from './cases.mjs';
import { LOST_SINK } from './process.mjs';

const cases = new Map([...CASES, ...BACK_END_CASES]);
const [wsUrl, name] = process.argv.slice(2);
if (wsUrl === undefined) {
  console.log(JSON.stringify([...cases.keys()]));
} else {
  const call = new Call(wsUrl);
  try {
    await cases.get(name)(call);
  } catch (error) {
    console.error(error);
    process.exitCode = error instanceof LostSink ? LOST_SINK : 1;
  }
  await call.close();
  await dispose();
}
