/** Invented people, chosen to be difficult: long names, other scripts, one word, no name. */
import type { ChatLine } from '../state/chat';
import type { PersonModel } from '../room/PeoplePanel';
import type { Quality } from '../room/QualityBars';
import type { TileModel } from '../room/TileView';

export interface Person extends PersonModel {
  key: string;
}

const NAMES = [
  'Ada Lovelace',
  'Grace Hopper',
  'Wolfeschlegelsteinhausenbergerdorff the Younger',
  'Лев',
  '王小明',
  'Björk Guðmundsdóttir',
  'Katherine Johnson',
  'Alan Turing',
  'فاطمة الفهرية',
  'Edsger Dijkstra',
  'Barbara Liskov',
  'tony',
];
const QUALITIES: Quality[] = ['excellent', 'excellent', 'good', 'poor', 'excellent', 'lost'];

export function people(count: number): Person[] {
  return Array.from({ length: count }, (_, index) => {
    const name = NAMES[index % NAMES.length] ?? 'Ada';
    const identity = `person-${String(index)}`;
    return {
      key: identity,
      identity,
      name: index < NAMES.length ? name : `${name} ${String(index)}`,
      local: index === 0,
      micOn: index % 3 !== 1,
      cameraOn: index % 4 !== 3,
      sharing: false,
      speaking: index === 2 || (count < 3 && index === 1),
      quality: QUALITIES[index % QUALITIES.length] ?? 'good',
      role: index === 0 ? 'host' : index === 3 ? 'therapist' : 'participant',
      turn: { 2: 2, 5: 1, 6: 3 }[index],
    };
  });
}

export function toTile(person: Person, source: TileModel['source'] = 'camera'): TileModel {
  return {
    key: `${person.key}:${source}`,
    identity: person.identity,
    name: person.name,
    source,
    local: person.local,
    micMuted: !person.micOn,
    speaking: person.speaking,
    quality: person.quality,
    paused: person.quality === 'lost',
    turn: person.turn,
  };
}

export function chatLines(crowd: readonly Person[]): ChatLine[] {
  const start = Date.UTC(2026, 0, 12, 9, 30);
  const texts: [number, string, number][] = [
    [1, 'Morning! Can everybody see the draft?', 0],
    [1, 'It is at https://example.org/plans/2026/spring-roadmap-draft-for-comments.', 1],
    [0, 'Yes, reading it now.', 2],
    [2, 'The second table still has last year’s numbers. I will fix them after the call.', 6],
    [0, 'Thanks', 7],
    [0, '👍', 7.2],
    [3, 'pneumonoultramicroscopicsilicovolcanoconiosisIsOneLongWordWithoutAnySpaces', 12],
  ];
  return texts.map(([who, text, minutes], index) => {
    const person = crowd[who % crowd.length] ?? crowd[0];
    return {
      id: String(index),
      from: person?.identity ?? '',
      name: person?.name ?? '',
      local: person?.local ?? false,
      text,
      at: start + minutes * 60_000,
      kept: index < 3,
    };
  });
}
