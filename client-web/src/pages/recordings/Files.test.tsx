import { render, screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { recordingOf } from '../../test/recording';
import { Files } from './Files';

it('says what each file is, and how large where that is known', () => {
  const files = [{ name: 'ada.webm', content_type: 'video/webm', bytes: 2_200_000 }];
  const composite = { state: 'done', progress: 1, file: 'all.mp4', reason: null } as const;
  render(<Files recording={{ ...recordingOf({ composite }), files }} />);
  const said = screen
    .getAllByTestId('recording-file')
    .map((file) => file.querySelector('.files-name'));
  expect(said.map((name) => name?.textContent)).toEqual([
    'ada.webm 2.2 MB',
    'all.mp4 all in one video',
    'manifest.json who spoke when, the chat, what begins where',
  ]);
});
