#!/usr/bin/env python3
"""Draws the pictures and sounds of the guests and encodes them: `python3 draw.py`, with Debian's ffmpeg.

Everything is computed here, nothing is taken from anywhere. A picture is somebody in front of a coloured wall,
swaying a little, and a clock that goes round once in twelve seconds, so that the loop has no seam. A sound is a
hum through two resonances that change with each syllable: like a voice, and no words.

Writes guest-N.ivf (VP8, 320x180, 15 frames a second, a key frame every two seconds) and guest-N.opus20 (Opus, 20 ms
a packet: level in -dBov, length in two bytes, packet).
"""

import math
import random
import struct
import subprocess
import wave

WIDTH, HEIGHT, RATE, SECONDS = 640, 360, 15, 12
GUESTS = [
    {"wall": (72, 98, 130), "coat": (206, 151, 82), "skin": (226, 188, 160), "pitch": 118},
    {"wall": (84, 122, 100), "coat": (120, 78, 132), "skin": (150, 106, 80), "pitch": 205},
    {"wall": (140, 96, 84), "coat": (70, 110, 122), "skin": (240, 206, 178), "pitch": 160},
]
# Seven segments: top, top right, bottom right, bottom, bottom left, top left, middle.
DIGITS = ["1111110", "0110000", "1101101", "1111001", "0110011", "1011011", "1011111", "1110000", "1111111", "1111011"]


class Canvas:
    def __init__(self, wall):
        self.rows = []
        for y in range(HEIGHT):
            light = 1.12 - 0.35 * y / HEIGHT
            self.rows.append(bytearray(bytes(min(255, int(c * light)) for c in wall) * WIDTH))

    def span(self, y, x0, x1, color):
        x0, x1 = max(0, int(x0)), min(WIDTH, int(x1))
        if 0 <= y < HEIGHT and x0 < x1:
            self.rows[y][3 * x0 : 3 * x1] = bytes(color) * (x1 - x0)

    def ellipse(self, cx, cy, rx, ry, color):
        for y in range(int(cy - ry), int(cy + ry) + 1):
            inside = 1 - ((y - cy) / ry) ** 2
            if inside > 0:
                half = rx * math.sqrt(inside)
                self.span(y, cx - half, cx + half, color)

    def rectangle(self, x0, y0, x1, y1, color):
        for y in range(int(y0), int(y1)):
            self.span(y, x0, x1, color)

    def stroke(self, x0, y0, x1, y1, width, color):
        for step in range(41):
            at = step / 40
            self.ellipse(x0 + (x1 - x0) * at, y0 + (y1 - y0) * at, width, width, color)


def digit(canvas, x, y, size, value):
    w, h, t = size, size * 1.8, size * 0.22
    places = [
        (x, y, x + w, y + t), (x + w - t, y, x + w, y + h / 2), (x + w - t, y + h / 2, x + w, y + h),
        (x, y + h - t, x + w, y + h), (x, y + h / 2, x + t, y + h), (x, y, x + t, y + h / 2),
        (x, y + h / 2 - t / 2, x + w, y + h / 2 + t / 2),
    ]
    for lit, place in zip(DIGITS[value], places):
        if lit == "1":
            canvas.rectangle(*place, (245, 245, 240))


def frame(guest, second):
    canvas = Canvas(guest["wall"])
    turn = 2 * math.pi * second / SECONDS
    sway, nod = 10 * math.sin(2 * turn), 4 * math.sin(6 * turn)
    coat, skin = guest["coat"], guest["skin"]
    canvas.ellipse(WIDTH * 0.42 + sway * 0.4, HEIGHT * 1.06, 150, 130, coat)
    canvas.rectangle(WIDTH * 0.42 - 22 + sway * 0.7, 205, WIDTH * 0.42 + 22 + sway * 0.7, 250, skin)
    cx, cy = WIDTH * 0.42 + sway, 150 + nod
    canvas.ellipse(cx, cy - 14, 72, 84, tuple(c // 4 for c in coat))
    canvas.ellipse(cx, cy, 62, 76, skin)
    is_blinking = second % 3.0 < 0.15
    for side in (-1, 1):
        canvas.ellipse(cx + side * 24 + sway * 0.3, cy - 12, 8, 2 if is_blinking else 8, (40, 36, 36))
    canvas.ellipse(cx + sway * 0.3, cy + 34, 18, 4 + 3 * abs(math.sin(18 * turn)), (150, 74, 70))
    # The clock: a face, twelve marks, a hand, and the second in digits.
    fx, fy, radius = WIDTH * 0.82, 110, 74
    canvas.ellipse(fx, fy, radius, radius, (245, 245, 240))
    for mark in range(12):
        angle = 2 * math.pi * mark / 12
        canvas.ellipse(fx + 62 * math.sin(angle), fy - 62 * math.cos(angle), 4, 4, (90, 90, 90))
    canvas.stroke(fx, fy, fx + 54 * math.sin(turn), fy - 54 * math.cos(turn), 4, (190, 60, 50))
    whole = int(second)
    digit(canvas, fx - 34, 220, 26, whole // 10)
    digit(canvas, fx + 8, 220, 26, whole % 10)
    return b"".join(canvas.rows)


def picture(number, guest):
    command = (
        f"ffmpeg -v error -y -f rawvideo -pix_fmt rgb24 -s {WIDTH}x{HEIGHT} -r {RATE} -i - -vf scale=320:180:flags=area"
        f" -c:v libvpx -b:v 130k -maxrate 200k -bufsize 260k -g {2 * RATE} -keyint_min {2 * RATE} -deadline good -cpu-used 0"
        f" -auto-alt-ref 0 -lag-in-frames 0 -error-resilient default -fflags +bitexact guest-{number}.ivf"
    )
    encoder = subprocess.Popen(command.split(), stdin=subprocess.PIPE)
    for index in range(RATE * SECONDS):
        encoder.stdin.write(frame(guest, index / RATE))
    encoder.stdin.close()
    assert encoder.wait() == 0


def babble(pitch, seed):
    """Six seconds at 48 kHz, as floats."""
    rate, chance = 48000, random.Random(seed)
    vowels = [(730, 1090), (270, 2290), (300, 870), (530, 1840), (570, 840), (440, 1020)]
    samples, phase, states = [], 0.0, [[0.0, 0.0], [0.0, 0.0]]
    while len(samples) < 6 * rate:
        length = int(rate * chance.uniform(0.12, 0.26))
        pause = int(rate * chance.choice([0.02, 0.03, 0.05, 0.25]))
        formants, lift = chance.choice(vowels), chance.uniform(0.9, 1.15)
        for n in range(length + pause):
            at = min(1.0, n / length)
            loud = math.sin(math.pi * at) ** 0.6 if n < length else 0.0
            phase = (phase + pitch * lift * (1.08 - 0.16 * at) / rate) % 1.0
            source = (1 - 2 * phase) * loud + chance.uniform(-0.02, 0.02) * loud
            total = 0.0
            for state, formant, share in zip(states, formants, (1.0, 0.5)):
                pole = math.exp(-math.pi * 90 / rate)
                value = source + 2 * pole * math.cos(2 * math.pi * formant / rate) * state[0] - pole * pole * state[1]
                state[1], state[0] = state[0], value
                total += share * value
            samples.append(total)
    samples = samples[: 6 * rate]
    peak = max(abs(sample) for sample in samples)
    return [0.12 * sample / peak for sample in samples]


def sound(number, guest):
    samples = babble(guest["pitch"], number)
    with wave.open("voice.wav", "wb") as file:
        file.setparams((1, 2, 48000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", int(32767 * sample)) for sample in samples))
    encode = "ffmpeg -v error -y -i voice.wav -c:a libopus -b:a 20k -application voip -frame_duration 20 voice.ogg"
    subprocess.run(encode.split(), check=True)
    with open(f"guest-{number}.opus20", "wb") as out:
        for index, packet in enumerate(ogg_packets("voice.ogg")[2:]):
            part = samples[index * 960 : (index + 1) * 960] or [0.0]
            power = sum(sample * sample for sample in part) / len(part)
            level = min(127, int(-10 * math.log10(power))) if power > 1e-12 else 127
            out.write(struct.pack(">BH", level, len(packet)) + packet)
    subprocess.run(["rm", "voice.wav", "voice.ogg"], check=True)


def ogg_packets(name):
    """The packets of an Ogg file (RFC 3533), headers included."""
    data, at, packets, open_packet = open(name, "rb").read(), 0, [], b""
    while at < len(data):
        assert data[at : at + 4] == b"OggS"
        lacing = data[at + 27 : at + 27 + data[at + 26]]
        at += 27 + len(lacing)
        for length in lacing:
            open_packet += data[at : at + length]
            at += length
            if length < 255:
                packets.append(open_packet)
                open_packet = b""
    return packets


for number, guest in enumerate(GUESTS, 1):
    picture(number, guest)
    sound(number, guest)
