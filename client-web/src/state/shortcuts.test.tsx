import { describe, expect, it } from 'vitest';
import { shortcutFor, type KeyPress } from './shortcuts';

function press(key: string, rest: Partial<KeyPress> = {}): KeyPress {
  return {
    key,
    ctrlKey: false,
    metaKey: false,
    altKey: false,
    repeat: false,
    isComposing: false,
    target: document.body,
    ...rest,
  };
}

describe('shortcuts', () => {
  it.each([
    ['m', 'mic'],
    ['M', 'mic'],
    ['v', 'camera'],
    ['s', 'share'],
    ['h', 'hand'],
    ['c', 'chat'],
    ['p', 'people'],
    ['l', 'copy'],
    ['g', 'layout'],
    ['?', 'help'],
    ['Escape', 'close'],
  ])('%s means %s', (key, action) => {
    expect(shortcutFor(press(key))).toBe(action);
  });

  it('leave the browser its own: Ctrl+P prints, Cmd+C copies', () => {
    expect(shortcutFor(press('p', { ctrlKey: true }))).toBeUndefined();
    expect(shortcutFor(press('c', { metaKey: true }))).toBeUndefined();
    expect(shortcutFor(press('s', { altKey: true }))).toBeUndefined();
  });

  it('a held key does not flutter the microphone', () => {
    expect(shortcutFor(press('m', { repeat: true }))).toBeUndefined();
  });

  it.each(['input', 'textarea', 'select'])('typing into %s is typing', (tag) => {
    const target = document.createElement(tag);
    expect(shortcutFor(press('m', { target }))).toBeUndefined();
    expect(shortcutFor(press('Escape', { target }))).toBe('close');
  });

  it('typing inside an editable region is typing, also in its children', () => {
    const editable = document.createElement('div');
    editable.setAttribute('contenteditable', 'true');
    const child = editable.appendChild(document.createElement('b'));
    expect(shortcutFor(press('m', { target: child }))).toBeUndefined();
  });

  it('an input method’s keys are its own', () => {
    expect(shortcutFor(press('m', { isComposing: true }))).toBeUndefined();
  });

  it('other keys mean nothing', () => {
    expect(shortcutFor(press('x'))).toBeUndefined();
    expect(shortcutFor(press('Enter'))).toBeUndefined();
  });
});
