import { useCallback, useMemo, useState } from 'react';
import { account } from '../../account/account';
import { recordings, type RecordingInfo, type RecordingPage } from '../../api/recordings';
import { nextLookAtAll } from '../../state/recordings';
import { usePolled, type Polled } from '../../ui/usePolled';

const PAGE = 25;

interface RecordingList {
  /** The newest page; what is shown is `known`. */
  newest: Polled<RecordingPage>;
  /** Newest first, with the older ones that were asked for. */
  known: readonly RecordingInfo[];
  /** There are older ones. */
  more: boolean;
  showOlder: () => Promise<void>;
  put: (recording: RecordingInfo) => void;
  drop: (id: string) => void;
}

const pace = (page: RecordingPage | undefined) => nextLookAtAll(page?.recordings);

/** What was known, without what the newest page would have if somebody else had not deleted it. */
function renewed(
  before: ReadonlyMap<string, RecordingInfo>,
  { recordings: newest, next }: RecordingPage,
): ReadonlyMap<string, RecordingInfo> {
  const reachesTo = next === null ? -Infinity : (newest.at(-1)?.started_at ?? Infinity);
  const older = [...before].filter(([, one]) => one.started_at < reachesTo);
  return new Map([...older, ...newest.map((one) => [one.id, one] as const)]);
}

/** The recordings of a room, or of all: the newest are kept current, older ones come when asked for. */
export function useRecordingList(room: string): RecordingList {
  const [all, setAll] = useState<ReadonlyMap<string, RecordingInfo>>(new Map());
  /** Where the oldest page that was asked for ends; `undefined` before any was. */
  const [next, setNext] = useState<string | null>();
  const learn = useCallback((list: readonly RecordingInfo[]) => {
    setAll((before) => new Map([...before, ...list.map((one) => [one.id, one] as const)]));
  }, []);

  const page = useCallback(
    async (before?: string) => {
      const answer = await account.ask((token) =>
        recordings.list(
          {
            limit: PAGE,
            ...(room === '' ? {} : { room }),
            ...(before === undefined ? {} : { before }),
          },
          token,
        ),
      );
      return answer;
    },
    [room],
  );
  const newest = usePolled(
    useCallback(async () => {
      const answer = await page();
      setAll((before) => renewed(before, answer));
      return answer;
    }, [page]),
    pace,
  );
  const oldest = next === undefined && newest.status === 'ready' ? newest.value.next : next;

  return {
    newest,
    known: useMemo(
      () => [...all.values()].sort((one, other) => other.started_at - one.started_at),
      [all],
    ),
    more: typeof oldest === 'string',
    showOlder: async () => {
      if (typeof oldest !== 'string') return;
      const older = await page(oldest);
      learn(older.recordings);
      setNext(older.next);
    },
    put: (recording) => {
      learn([recording]);
    },
    drop: (id) => {
      setAll((before) => new Map([...before].filter(([known]) => known !== id)));
    },
  };
}
