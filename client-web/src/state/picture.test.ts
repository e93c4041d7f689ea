import { describe, expect, it } from 'vitest';
import { explained, track } from '../test/explanation';
import { linkFacts, pictureFacts, pictureIn, rate, reasonInWords, splitKey } from './picture';

const value = (facts: { label: string; value: string }[], label: string) =>
  facts.find((fact) => fact.label === label)?.value;

describe('a picture, explained', () => {
  it('is found by its person and source, whatever the identity looks like', () => {
    const explanation = explained([
      track({ kind: 'audio', source: 'microphone' }),
      track({ publisher: { sid: 'PA_2', identity: 'a:b' }, source: 'screen_share', sid: 'TR_2' }),
      track({ sid: 'TR_1' }),
    ]);
    expect(pictureIn(explanation, 'ada:camera')?.sid).toBe('TR_1');
    expect(pictureIn(explanation, 'a:b:screen_share')?.sid).toBe('TR_2');
    expect(pictureIn(explanation, 'ada:screen_share')).toBeUndefined();
    expect(splitKey('a:b:camera')).toEqual({ identity: 'a:b', source: 'camera' });
  });

  it('says what is the matter, and takes the words of a server that knows more', () => {
    expect(reasonInWords(track({ reason: 'bandwidth' }))).toMatch(/no room for a sharper/);
    const newer = { reason: 'solar_flare', explanation: 'the sun is loud' } as never;
    expect(reasonInWords(newer)).toBe('The sun is loud.');
  });

  it('gives layer, size, frames and bitrate, and what was asked for when it is something else', () => {
    const facts = pictureFacts(track());
    expect(facts).toEqual([
      { label: 'Layer', value: 'Medium' },
      { label: 'Asked for', value: 'High' },
      { label: 'Size', value: '640 × 360' },
      { label: 'Frames per second', value: '24' },
      { label: 'Bitrate', value: '420 kbit/s of 1.7 Mbit/s' },
    ]);
    const full = track({
      wanted_layer: { spatial: 1, temporal: 2 },
      delivered_bps: 1_660_000,
    });
    expect(value(pictureFacts(full), 'Asked for')).toBeUndefined();
    expect(value(pictureFacts(full), 'Bitrate')).toBe('1.7 Mbit/s');
  });

  it('has a dash for what is not known', () => {
    const nothing = track({ current_layer: null, resolution: null, fps: 0, delivered_bps: 0 });
    const facts = pictureFacts(nothing);
    expect(value(facts, 'Layer')).toBe('None');
    expect(value(facts, 'Size')).toBe('–');
    expect(value(facts, 'Frames per second')).toBe('–');
    expect(value(linkFacts(explained([], { rtt_ms: null })), 'Round trip')).toBe('–');
  });

  it('tells the link in figures that people can compare', () => {
    const facts = linkFacts(explained([], { loss: 0.0042 }));
    expect(facts.map((fact) => fact.value)).toEqual([
      '900 kbit/s',
      '610 kbit/s',
      '0.4 %',
      '48 ms',
      '6 ms',
    ]);
    expect(value(linkFacts(explained([], { loss: 0 })), 'Loss')).toBe('0 %');
    expect(value(linkFacts(explained([], { loss: 0.2 })), 'Loss')).toBe('20 %');
    expect(rate(2_040_000)).toBe('2.0 Mbit/s');
  });
});
