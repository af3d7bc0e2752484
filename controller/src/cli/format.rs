//! Numbers, times and hashes as people read them, in their language.

use std::path::Path;

use sanaga_proto::ids::Digest;
use sanaga_proto::text::Language;

/// Bytes in decimal units, as data plans count them: `38 KB`, `5.9 MB`; in French `5,9 Mo`.
#[must_use]
pub fn bytes(count: u64, language: Language) -> String {
    let byte = match language {
        Language::English => "B",
        Language::French => "o",
    };
    let units = ["", "K", "M", "G", "T"];
    let mut tenths = u128::from(count) * 10;
    let mut unit = 0;
    // The value that is shown decides the unit, so that nothing reads `1000 KB`.
    let full = |tenths: u128, unit: usize| match unit {
        0 | 1 => (tenths + 5) / 10 >= 1_000,
        _ => tenths >= 10_000,
    };
    while full(tenths, unit) && unit + 1 < units.len() {
        tenths = (tenths + 500) / 1_000;
        unit += 1;
    }
    let prefix = units.get(unit).copied().unwrap_or_default();
    // Ten kilobytes and more are said without a fraction; of megabytes the tenth still costs money.
    if unit == 0 || (unit == 1 && tenths >= 100) {
        return format!("{} {prefix}{byte}", (tenths + 5) / 10);
    }
    format!(
        "{} {prefix}{byte}",
        decimal(tenths / 10, tenths % 10, language)
    )
}

fn decimal(whole: u128, tenth: u128, language: Language) -> String {
    let point = match language {
        Language::English => '.',
        Language::French => ',',
    };
    format!("{whole}{point}{tenth}")
}

/// What bytes cost: `6 XAF`, `<1 XAF`.
#[must_use]
pub fn cost(count: u64, thousandths_per_mb: u64, currency: &str) -> String {
    // Thousandths of the currency times 10⁶.
    let exact = u128::from(count) * u128::from(thousandths_per_mb);
    let whole = 1_000_000_000;
    if exact > 0 && exact < whole {
        return format!("<1 {currency}");
    }
    format!("{} {currency}", (exact + whole / 2) / whole)
}

/// A duration: `8 s`, `2 min 32 s`, `3 h 5 min`.
#[must_use]
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => match seconds % 60 {
            0 => format!("{} min", seconds / 60),
            rest => format!("{} min {rest} s", seconds / 60),
        },
        3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A moment in the time zone of this machine: `2026-11-22 09:40 WAT`.
#[must_use]
pub fn moment(seconds: u64) -> String {
    strftime(seconds, "%Y-%m-%d %H:%M %Z")
}

/// The time of day in the time zone of this machine: `09:52:10`.
#[must_use]
pub fn clock(seconds: u64) -> String {
    strftime(seconds, "%H:%M:%S")
}

/// A day: `2028-11-20`.
#[must_use]
pub fn day(seconds: i64) -> String {
    strftime(u64::try_from(seconds).unwrap_or(0), "%Y-%m-%d")
}

fn strftime(seconds: u64, form: &str) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    let Ok(time) = jiff::Timestamp::from_second(seconds) else {
        return "–".to_owned();
    };
    time.to_zoned(jiff::tz::TimeZone::system())
        .strftime(form)
        .to_string()
}

/// The first and last digits of a hash that people compare: `9f2c 41d7 … e803`.
#[must_use]
pub fn digest_ends(digest: &Digest) -> String {
    let text = digest.to_string();
    let last = text.get(60..).unwrap_or_default();
    format!("{} … {last}", digest_start(digest))
}

/// The first digits of a hash that people only recognise: `7be1 02aa`.
#[must_use]
pub fn digest_start(digest: &Digest) -> String {
    let text = digest.to_string();
    let part = |range| text.get(range).unwrap_or_default();
    format!("{} {}", part(0..4), part(4..8))
}

/// A path, with `~` for the user's folder.
#[must_use]
pub fn path(path: &Path, user_home: Option<&Path>) -> String {
    match user_home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}

/// Rows under a heading, columns two spaces apart; nothing at the end of a line.
#[must_use]
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let width = |text: &str| text.chars().count();
    let widths: Vec<usize> = heading
        .iter()
        .enumerate()
        .map(|(column, head)| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| width(cell))
                .max()
                .unwrap_or(0)
                .max(width(head))
        })
        .collect();
    let line = |cells: &[&str]| {
        let mut out = String::new();
        for (cell, column) in cells.iter().zip(&widths) {
            out.push_str(cell);
            out.extend(std::iter::repeat_n(
                ' ',
                column.saturating_sub(width(cell)) + 2,
            ));
        }
        out.truncate(out.trim_end().len());
        out
    };
    let mut lines = vec![line(heading)];
    lines.extend(rows.iter().map(|row| {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        line(&cells)
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_as_in_the_first_hour() {
        let say = |count| bytes(count, Language::English);
        assert_eq!(say(0), "0 B");
        assert_eq!(say(999), "999 B");
        assert_eq!(say(6_100), "6.1 KB");
        assert_eq!(say(38_000), "38 KB");
        assert_eq!(say(37_950), "38 KB");
        assert_eq!(say(999_400), "999 KB");
        assert_eq!(say(999_999), "1.0 MB");
        assert_eq!(say(5_900_000), "5.9 MB");
        assert_eq!(say(18_400_000), "18.4 MB");
        assert_eq!(say(92_000_000_000), "92.0 GB");
        assert_eq!(bytes(5_900_000, Language::French), "5,9 Mo");
        assert!(say(u64::MAX).ends_with(" TB"));
    }

    #[test]
    fn money_is_rounded_and_never_hidden() {
        assert_eq!(cost(5_900_000, 1_000, "XAF"), "6 XAF");
        assert_eq!(cost(38_000, 1_000, "XAF"), "<1 XAF");
        assert_eq!(cost(0, 1_000, "XAF"), "0 XAF");
        assert_eq!(cost(5_900_000, 0, "XAF"), "0 XAF");
        assert_eq!(cost(1_000_000, 2_500, "XAF"), "3 XAF");
    }

    #[test]
    fn durations_and_hashes_are_short() {
        assert_eq!(duration(8), "8 s");
        assert_eq!(duration(152), "2 min 32 s");
        assert_eq!(duration(120), "2 min");
        assert_eq!(duration(11_100), "3 h 5 min");
        assert_eq!(duration(864_000), "10 d");
        let digest: Digest = "9f2c41d7".repeat(8).parse().unwrap();
        assert_eq!(digest_ends(&digest), "9f2c 41d7 … 41d7");
        assert_eq!(digest_start(&digest), "9f2c 41d7");
    }

    #[test]
    fn tables_line_up() {
        let rows = [vec![
            "akwa-1".to_owned(),
            "–".to_owned(),
            "5.9 MB".to_owned(),
            "6 XAF".to_owned(),
        ]];
        assert_eq!(
            table(&["NODE", "FROM", "DOWNLOAD", "COST (1.0 XAF/MB)"], &rows),
            "NODE    FROM  DOWNLOAD  COST (1.0 XAF/MB)\nakwa-1  –     5.9 MB    6 XAF"
        );
    }
}
