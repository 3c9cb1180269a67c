//! Tables as kubectl draws them: columns by blanks, no lines; wrapped to the terminal's width.

use comfy_table::{ContentArrangement, Table, presets};
use understudy::violation::printable;

/// A table with `header`.
pub fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| printable(&cell)));
    }
    if let Some((width, _)) = terminal_size::terminal_size_of(std::io::stdout()) {
        table
            .set_width(width.0)
            .set_content_arrangement(ContentArrangement::Dynamic);
    }
    let count = table.column_count();
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index + 1 == count { 0 } else { 2 }));
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

/// A time until `then`, in its two largest units.
pub fn until(then: jiff::Timestamp, now: jiff::Timestamp) -> String {
    let seconds = then.as_second() - now.as_second();
    if seconds <= 0 {
        return "now".to_owned();
    }
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let mut shown = units
        .iter()
        .skip_while(|(count, _)| *count == 0)
        .take(2)
        .filter(|(count, _)| *count > 0);
    shown
        .by_ref()
        .map(|(count, unit)| format!("{count}{unit}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let at = |seconds| jiff::Timestamp::from_second(seconds).unwrap();
        for (seconds, expected) in [
            (0, "now"),
            (59, "59s"),
            (3600, "1h"),
            (5430, "1h30m"),
            (90_000, "1d1h"),
            (86_460, "1d"),
        ] {
            assert_eq!(until(at(seconds), at(0)), expected);
        }
    }

    #[test]
    fn a_name_cannot_drive_the_terminal() {
        // A20
        assert!(!table(["NAME"], [["\u{1b}[31mred".to_owned()]]).contains('\u{1b}'));
    }
}
