//! Plots as inline SVG. Colours are classes, so that the page's style decides them; values are shown on hover by
//! titles, so that no script is needed.

use std::fmt::Write as _;

/// About as wide as it is shown beside another one, so that letters are about as large as they say; on a phone, where it
/// is narrower, the page's style makes them larger.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 30.0;
/// Points drawn of a line; longer series are thinned to the largest value of each group.
const MAX_POINTS: usize = 360;

/// A line of a plot.
pub(super) struct Line<'a> {
    /// Shown in the legend.
    pub(super) name: &'a str,
    /// Position on the horizontal axis and value; what has no value leaves a gap.
    pub(super) points: Vec<(f64, Option<f64>)>,
}

/// A plot of lines.
pub(super) struct Plot<'a> {
    pub(super) title: &'a str,
    /// Of values.
    pub(super) unit: &'a str,
    /// Marks on the horizontal axis.
    pub(super) marks: Vec<(f64, String)>,
    pub(super) lines: Vec<Line<'a>>,
}

impl Plot<'_> {
    /// As a figure; nothing when there is no value.
    pub(super) fn to_html(&self) -> String {
        let values = || self.lines.iter().flat_map(|line| &line.points).filter_map(|(x, y)| Some((*x, (*y)?)));
        let top = values().map(|(_, y)| y).fold(0.0, f64::max);
        let (from, to) = values().fold((f64::MAX, f64::MIN), |(from, to), (x, _)| (from.min(x), to.max(x)));
        if from > to {
            return String::new();
        }
        let step = nice_step(top.max(1e-9) / 4.0);
        let top = (top / step).ceil().max(1.0) * step;
        let x = |at: f64| LEFT + (at - from) / (to - from).max(1e-9) * (WIDTH - LEFT - RIGHT);
        let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
        let (title, unit) = (escape(self.title), escape(self.unit));
        let mut html = format!("<figure><figcaption>{title} <span class=\"unit\">{unit}</span>");
        let mut put = |text: std::fmt::Arguments<'_>| {
            // Writing to a string cannot fail.
            let _ = html.write_fmt(text);
        };
        for (index, line) in self.lines.iter().enumerate().filter(|_| self.lines.len() > 1) {
            put(format_args!(" <span class=\"key c{index}\">{}</span>", escape(line.name)));
        }
        put(format_args!("</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">"));
        let mut value = 0.0;
        while value <= top + step / 2.0 {
            let at = y(value);
            put(format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>",
                WIDTH - RIGHT
            ));
            let label = short(value);
            put(format_args!(
                "<text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 8.0,
                at + 4.0
            ));
            value += step;
        }
        for (at, label) in &self.marks {
            // One at the edge would be cut off.
            let anchor = if x(*at) > WIDTH - LEFT { "end" } else { "middle" };
            let at = x(*at).min(WIDTH - RIGHT);
            put(format_args!(
                "<text class=\"tick\" x=\"{at:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                HEIGHT - 8.0,
                escape(label)
            ));
        }
        for (index, line) in self.lines.iter().enumerate() {
            let points = thinned(&line.points);
            for piece in points.split(|(_, y)| y.is_none()).filter(|piece| !piece.is_empty()) {
                let mut path = String::new();
                for (at, value) in piece.iter().filter_map(|(at, value)| Some((at, (*value)?))) {
                    let _ = write!(path, "{}{:.1},{:.1}", if path.is_empty() { "M" } else { " L" }, x(*at), y(value));
                }
                put(format_args!("<path class=\"c{index}\" d=\"{path}\"/>"));
            }
            for (at, value) in points.iter().filter_map(|(at, value)| Some((at, (*value)?))) {
                put(format_args!(
                    "<circle class=\"c{index}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2\"><title>{} {} {unit}</title></circle>",
                    x(*at),
                    y(value),
                    escape(line.name),
                    short(value)
                ));
            }
        }
        html.push_str("</svg></figure>");
        html
    }
}

/// At most so many points; each group is represented by its largest value, since peaks are what is looked for.
fn thinned(points: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    let group = points.len().div_ceil(MAX_POINTS).max(1);
    let largest = |group: &[(f64, Option<f64>)]| {
        group.iter().copied().max_by(|a, b| a.1.unwrap_or(-1.0).total_cmp(&b.1.unwrap_or(-1.0)))
    };
    points.chunks(group).filter_map(largest).collect()
}

/// 1, 2 or 5 times a power of ten, at least as large.
fn nice_step(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|nice| *nice >= step)
        .unwrap_or(step)
}

/// Marks for seconds, a few of them.
pub(super) fn seconds(count: usize) -> Vec<(f64, String)> {
    let count = crate::number::float(count as u64);
    let step = nice_step(count / 6.0).max(1.0);
    let mut marks = Vec::new();
    let mut at = 0.0;
    while at < count {
        marks.push((at, format!("{at:.0} s")));
        at += step;
    }
    marks
}

/// A number for people.
pub(super) fn short(value: f64) -> String {
    let (value, suffix) = match value.abs() {
        large if large >= 1e9 => (value / 1e9, " G"),
        large if large >= 1e6 => (value / 1e6, " M"),
        large if large >= 1e4 => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let text = format!("{value:.*}", if value.abs() >= 100.0 { 0 } else { 2 });
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{suffix}")
}

/// For text and attributes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_nice_and_numbers_short() {
        for (step, nice) in [(0.03, 0.05), (1.0, 1.0), (1.1, 2.0), (4.9, 5.0), (70.0, 100.0)] {
            assert!((nice_step(step) - nice).abs() < 1e-9, "{step}");
        }
        assert_eq!(
            [0.0, 0.25, 12.5, 340.2, 12_000.0, 2_500_000.0].map(short),
            ["0", "0.25", "12.5", "340", "12 k", "2.5 M"]
        );
    }

    #[test]
    fn a_gap_breaks_the_line_and_peaks_survive() {
        let mut points: Vec<(f64, Option<f64>)> = (0..1000).map(|n| (f64::from(n), Some(1.0))).collect();
        points[500].1 = Some(9.0);
        for point in &mut points[700..720] {
            point.1 = None;
        }
        let plot = Plot { title: "a < b", unit: "ms", marks: seconds(1000), lines: vec![Line { name: "p99", points }] };
        let html = plot.to_html();
        assert_eq!(html.matches("<path").count(), 2);
        assert!(html.contains("<title>p99 9 ms</title>") && html.contains("a &lt; b"));
        assert!(html.matches("<circle").count() <= MAX_POINTS);
    }

    #[test]
    fn nothing_makes_no_plot() {
        let line = Line { name: "p99", points: vec![(0.0, None)] };
        assert_eq!(Plot { title: "", unit: "", marks: Vec::new(), lines: vec![line] }.to_html(), "");
    }
}
