import type { CSSProperties } from 'react';

const OUT = [24, 75, 125, 176];
const PEOPLE = [
  { x: 22, y: 100, hue: 174 },
  ...OUT.map((y, index) => ({ x: 510, y, hue: [28, 262, 128, 338][index] ?? 0 })),
];

/** What a sluice does: one stream in, one for everybody out. Decoration only. */
export function FlowArt() {
  return (
    <svg className="flow" viewBox="0 0 540 200" aria-hidden="true">
      <path className="flow-in" d="M22 100H242" />
      {OUT.map((y) => (
        <path
          key={y}
          className="flow-out"
          d={`M242 100C360 100 340 ${String(y)} 510 ${String(y)}`}
        />
      ))}
      <path className="flow-gate" d="M242 18V72M242 128V182" />
      {PEOPLE.map(({ x, y, hue }) => (
        <g key={y} className="flow-person" style={{ '--hue': hue } as CSSProperties}>
          <circle className="flow-plate" cx={x} cy={y} r="20" />
          <circle className="flow-face" cx={x} cy={y - 4} r="6" />
          <path className="flow-face" d={`M${String(x - 11)} ${String(y + 12)}a11 9 0 0 1 22 0Z`} />
        </g>
      ))}
    </svg>
  );
}
