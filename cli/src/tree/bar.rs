//! One bar on a time axis, its ends in eighths of a column.

/// Where a bar lies on the axis, as shares of the whole trace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Span {
    /// Where it begins, 0 to 1.
    pub(super) from: f64,
    /// Where it ends, not before it begins.
    pub(super) to: f64,
    /// Whether the end is not known yet.
    pub(super) open: bool,
}

const EIGHTHS: usize = 8;
/// Blocks that fill a column from its left edge, by eighths.
const FROM_LEFT: [&str; EIGHTHS + 1] = [" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];

/// The bar in its columns. `None` draws nothing: it is not known where it lies.
///
/// Whatever lies on the axis shows at least an eighth of a column.
pub(super) fn draw(span: Option<Span>, columns: usize) -> String {
    let Some(span) = span else {
        return " ".repeat(columns);
    };
    let end = columns * EIGHTHS;
    let from = scale(span.from, end).min(end.saturating_sub(1));
    let to = scale(span.to, end).max(from + 1);
    let column = |index: usize| {
        let left = from.saturating_sub(index * EIGHTHS).min(EIGHTHS);
        let right = to.saturating_sub(index * EIGHTHS).min(EIGHTHS);
        block(left, right, span.open)
    };
    (0..columns).map(column).collect()
}

/// One column, covered from `left` to `right` eighths.
///
/// There are no blocks that fill a column from its right edge by eighths, only by one eighth, a half and
/// the whole: the nearest is taken.
fn block(left: usize, right: usize, open: bool) -> &'static str {
    match (left, right) {
        _ if right <= left => " ",
        (0, EIGHTHS) if open => "░",
        (0, _) => FROM_LEFT.get(right).copied().unwrap_or("█"),
        (1..=2, EIGHTHS) => "█",
        (3..=5, EIGHTHS) => "▐",
        (_, EIGHTHS) => "▕",
        (4.., _) => "▐",
        _ => FROM_LEFT.get(right - left).copied().unwrap_or("█"),
    }
}

fn scale(share: f64, eighths: usize) -> usize {
    let eighths = u32::try_from(eighths).unwrap_or(u32::MAX);
    let place = (share.clamp(0.0, 1.0) * f64::from(eighths)).round();
    #[expect(
        clippy::as_conversions,
        reason = "between 0 and a u32: the share is clamped, and NaN becomes 0"
    )]
    let place = place as usize;
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: f64, to: f64, columns: usize, expected: &str) {
        assert_eq!(
            draw(
                Some(Span {
                    from,
                    to,
                    open: false
                }),
                columns
            ),
            expected,
            "{from} to {to}"
        );
    }

    #[test]
    fn a_bar_lies_where_its_time_lies() {
        check(0.0, 1.0, 4, "████");
        check(0.0, 0.5, 4, "██  ");
        check(0.5, 1.0, 4, "  ██");
        check(0.25, 0.75, 4, " ██ ");
    }

    #[test]
    fn its_ends_are_drawn_in_eighths() {
        check(0.0, 1.0 / 16.0, 2, "▏ ");
        check(0.0, 5.0 / 16.0, 2, "▋ ");
        check(0.0, 9.0 / 16.0, 2, "█▏");
        check(4.0 / 16.0, 1.0, 2, "▐█");
        check(7.0 / 16.0, 1.0, 2, "▕█");
        check(1.0 / 16.0, 1.0, 2, "██");
    }

    #[test]
    fn what_takes_no_time_still_shows() {
        check(0.0, 0.0, 4, "▏   ");
        check(1.0, 1.0, 4, "   ▕");
        check(0.5, 0.5, 4, "  ▏ ");
    }

    #[test]
    fn an_end_that_is_not_known_is_drawn_lightly() {
        assert_eq!(
            draw(
                Some(Span {
                    from: 0.5,
                    to: 1.0,
                    open: true
                }),
                4
            ),
            "  ░░"
        );
        assert_eq!(draw(None, 4), "    ");
    }

    #[test]
    fn shares_that_make_no_sense_stay_on_the_axis() {
        check(-5.0, 7.0, 4, "████");
        check(f64::NAN, f64::NAN, 2, "▏ ");
        check(2.0, 1.0, 2, " ▕");
        check(0.0, 1.0, 0, "");
    }
}
