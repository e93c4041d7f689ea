//! A table that reads well in a terminal and is Markdown, too.

/// Heads of columns that hold text, as the first one does; the others hold figures.
const TEXT: &[&str] = &["remarks", "this run"];

/// Rows under a head.
#[derive(Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(ToString::to_string).collect()] }
    }

    /// Cells beyond the head are left out, missing ones are empty.
    pub(super) fn add(&mut self, cells: impl IntoIterator<Item = String>) {
        let columns = self.rows.first().map_or(0, Vec::len);
        let mut row: Vec<String> = cells.into_iter().map(|cell| cell.replace('|', "/")).collect();
        row.resize(columns, String::new());
        self.rows.push(row);
    }
}

impl std::fmt::Display for Table {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(3)
        };
        let is_text = |column: usize| {
            let head = self.rows.first().and_then(|head| head.get(column));
            column == 0 || head.is_some_and(|head| TEXT.contains(&head.as_str()))
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (place, row) in self.rows.iter().enumerate() {
            for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
                if is_text(column) {
                    write!(out, "| {cell:<width$} ")?;
                } else {
                    write!(out, "| {cell:>width$} ")?;
                }
            }
            writeln!(out, "|")?;
            if place == 0 {
                for (column, width) in widths.iter().enumerate() {
                    let (dashes, end) = ("-".repeat(*width), if is_text(column) { '-' } else { ':' });
                    write!(out, "|-{dashes}{end}")?;
                }
                writeln!(out, "|")?;
            }
        }
        Ok(())
    }
}

/// A figure with three digits or so; a dash where there is none.
pub(super) fn figure(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() < 10.0 => format!("{value:.2}"),
        Some(value) if value.abs() < 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.0}"),
    }
}

/// The middle one; of an even number the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = *sorted.get((sorted.len() - 1) / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_are_markdown() {
        let mut table = Table::new(&["server", "us", "remarks"]);
        table.add(["ours".to_owned(), figure(Some(1.234)), "good".to_owned()]);
        table.add(["a|b".to_owned()]);
        let expected = "\
| server |   us | remarks |
|--------|-----:|---------|
| ours   | 1.23 | good    |
| a/b    |      |         |
";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0, 90.0]), Some(3.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
    }

    #[test]
    fn a_figure_has_as_many_digits_as_it_deserves() {
        let figures = [None, Some(0.042), Some(12.345), Some(1234.5)].map(figure);
        assert_eq!(figures, ["-", "0.04", "12.3", "1234"]);
    }
}
