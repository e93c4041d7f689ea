/** Stands in for a picture: a person against a wall, or a page on a screen. */
export function FakeVideo({ seed }: { seed: number }) {
  const hue = (seed * 67) % 360;
  return (
    <svg
      viewBox="0 0 320 180"
      preserveAspectRatio="xMidYMid slice"
      width="100%"
      height="100%"
      style={{ display: 'block' }}
      aria-hidden="true"
    >
      <rect width="320" height="180" fill={`hsl(${String(hue)} 25% ${seed % 2 ? '70%' : '38%'})`} />
      <rect x="20" y="20" width="70" height="90" fill={`hsl(${String(hue + 30)} 40% 80%)`} />
      <circle cx="160" cy="82" r="34" fill={`hsl(${String((seed * 40) % 50)} 45% 62%)`} />
      <path d="M92 180c4-46 34-60 68-60s64 14 68 60Z" fill={`hsl(${String(hue + 180)} 35% 45%)`} />
    </svg>
  );
}

export function FakeScreen() {
  return (
    <svg viewBox="0 0 320 200" preserveAspectRatio="xMidYMid meet" width="100%" height="100%">
      <rect width="320" height="200" fill="#fdfdfb" />
      <rect width="320" height="16" fill="#e3e3df" />
      {[36, 52, 68, 84, 116, 132, 148].map((y, index) => (
        <rect
          key={y}
          x="28"
          y={y}
          width={[240, 262, 200, 120][index % 4]}
          height="7"
          fill="#b9bdb9"
        />
      ))}
    </svg>
  );
}
