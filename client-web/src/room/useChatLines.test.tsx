import { RoomContext } from '@livekit/components-react';
import { act, renderHook, waitFor } from '@testing-library/react';
import type { ReactNode } from 'react';
import { Room, RoomEvent } from 'livekit-client';
import { expect, it, vi } from 'vitest';
import type { KeptMessage } from '../api/hosts';
import { useChatLines } from './useChatLines';
import type { Desk } from './useDesk';

const message = (id: string): KeptMessage => ({
  id,
  sequence: 1,
  identity: 'ben',
  name: 'Ben',
  sender: 'user',
  message: id,
  timestamp: 0,
});

const NONE: ReadonlySet<string> = new Set();

function inRoom(room: Room) {
  return function InRoom({ children }: { children: ReactNode }) {
    return <RoomContext.Provider value={room}>{children}</RoomContext.Provider>;
  };
}

it('a kept message of no time is one of now', async () => {
  const odd = { ...message('odd'), timestamp: 9e18 };
  const desk = { chat: () => Promise.resolve([odd]) } as unknown as Desk;
  const { result } = renderHook(
    () => useChatLines({ open: true, desk, keeps: true, deleted: NONE, identity: 'me' }),
    { wrapper: inRoom(new Room()) },
  );
  await waitFor(() => {
    expect(result.current.lines).toHaveLength(1);
  });
  expect(() => new Date(result.current.lines[0]?.at ?? NaN).toISOString()).not.toThrow();
});

it('says when what was kept could not be read, and reads it after one was away', async () => {
  const room = new Room();
  const chat = vi
    .fn<Desk['chat']>()
    .mockRejectedValueOnce(new Error('away'))
    .mockResolvedValueOnce([message('early')])
    .mockResolvedValue([message('early'), message('missed')]);
  const desk = { chat } as unknown as Desk;
  const { result } = renderHook(
    () => useChatLines({ open: true, desk, keeps: true, deleted: NONE, identity: 'me' }),
    { wrapper: inRoom(room) },
  );
  await waitFor(() => {
    expect(result.current.missing).toBe(true);
  });
  const comeBack = () => {
    act(() => {
      room.emit(RoomEvent.Reconnected);
    });
  };
  comeBack();
  await waitFor(() => {
    expect(result.current.missing).toBe(false);
  });
  expect(result.current.lines).toMatchObject([{ id: 'early', kept: true }]);
  comeBack();
  await waitFor(() => {
    expect(result.current.lines).toMatchObject([
      { id: 'early', kept: true },
      { id: 'missed', kept: false },
    ]);
  });
});
