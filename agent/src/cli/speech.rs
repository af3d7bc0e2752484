//! Sizes, times and sentences as people read them, in their language.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use sanaga_proto::failure::{Coded, Failure};
use sanaga_proto::text::{Catalog, Language, Locale};

/// The messages of this program.
pub const AGENT_LOCALE: Locale = Locale {
    en: include_str!("../../locales/en.ftl"),
    fr: include_str!("../../locales/fr.ftl"),
};

/// Names of the units of size, each a thousand times the one before.
const UNITS: [&str; 5] = ["unit-byte", "unit-kb", "unit-mb", "unit-gb", "unit-tb"];
const MINUTE_S: u64 = 60;
const HOUR_S: u64 = 60 * MINUTE_S;
const DAY_S: u64 = 24 * HOUR_S;

/// Says things in one language and one time zone.
pub struct Speech {
    catalog: Catalog,
    zone: TimeZone,
}

/// Bytes, and the unit in which they are said.
struct Amount {
    bytes: u64,
    unit: usize,
}

impl Speech {
    /// Speech in this language, with times in this zone.
    #[must_use]
    pub fn new(language: Language, zone: TimeZone) -> Self {
        Self {
            catalog: Catalog::new(language, &[AGENT_LOCALE]),
            zone,
        }
    }

    /// The message `id`.
    #[must_use]
    pub fn say(&self, id: &str, args: &[(&str, &str)]) -> String {
        self.catalog.say(id, args)
    }

    /// The message `id`, or none when there is no such message.
    #[must_use]
    pub fn find(&self, id: &str, args: &[(&str, &str)]) -> Option<String> {
        self.catalog.find(id, args)
    }

    /// A failure with its code and what to do. Moments in its words are told in this time zone.
    #[must_use]
    pub fn failure(&self, failure: &dyn Coded) -> String {
        let told = Failure::new(failure.code());
        let words = failure.args().into_iter();
        let told = words.fold(told, |told, (name, value)| {
            let moment: Option<Timestamp> = value.parse().ok();
            match moment {
                Some(moment) => told.arg(name, self.date(moment.as_second())),
                None => told.arg(name, value),
            }
        });
        self.catalog.failure(&told)
    }

    /// A word of a closed list such as the phases: `phase-committed`; the word itself, with spaces
    /// for underscores, when a newer daemon says one that is not known here.
    #[must_use]
    pub fn word(&self, list: &str, word: &str) -> String {
        let id = format!("{list}-{}", word.replace('_', "-"));
        self.find(&id, &[])
            .unwrap_or_else(|| word.replace('_', " "))
    }

    /// `18.4 MB`, `38 KB`, `6.1 KB`; units of a thousand, as data plans count them.
    #[must_use]
    pub fn size(&self, bytes: u64) -> String {
        let amount = amount(bytes);
        format!("{} {}", self.number(&amount), self.unit(amount.unit))
    }

    /// `1.2 of 5.9 MB`: both in the unit of the whole.
    #[must_use]
    pub fn part(&self, done: u64, total: u64) -> String {
        let whole = amount(total);
        let done = Amount {
            bytes: done.min(total),
            unit: whole.unit,
        };
        let (done, total) = (self.number(&done), self.number(&whole));
        let unit = self.unit(whole.unit);
        self.say(
            "part-of",
            &[("done", &done), ("total", &total), ("unit", &unit)],
        )
    }

    /// How long ago, in one unit: `12 s`, `2 min`, `5 h`, `12 d`.
    #[must_use]
    pub fn age(&self, seconds: u64) -> String {
        let (count, unit) = if seconds < MINUTE_S {
            (seconds, "unit-second")
        } else if seconds < HOUR_S {
            (seconds / MINUTE_S, "unit-minute")
        } else if seconds < 2 * DAY_S {
            (seconds / HOUR_S, "unit-hour")
        } else {
            (seconds / DAY_S, "unit-day")
        };
        format!("{count} {}", self.say(unit, &[]))
    }

    /// How long still, in two units: `40 s`, `2 min 32 s`, `1 h 5 min`; beyond, as an age.
    #[must_use]
    pub fn span(&self, seconds: u64) -> String {
        let two = |big: u64, big_unit, small: u64, small_unit| {
            let big_unit = self.say(big_unit, &[]);
            let small_unit = self.say(small_unit, &[]);
            format!("{big} {big_unit} {small} {small_unit}")
        };
        if !(MINUTE_S..DAY_S).contains(&seconds) {
            self.age(seconds)
        } else if seconds < HOUR_S {
            two(
                seconds / MINUTE_S,
                "unit-minute",
                seconds % MINUTE_S,
                "unit-second",
            )
        } else {
            let minutes = seconds % HOUR_S / MINUTE_S;
            two(seconds / HOUR_S, "unit-hour", minutes, "unit-minute")
        }
    }

    /// How long something took: `0.4 s`; from ten seconds on, as a span.
    #[must_use]
    pub fn took(&self, milliseconds: u64) -> String {
        if milliseconds >= 9_950 {
            return self.span(milliseconds.saturating_add(500) / 1_000);
        }
        let tenths = milliseconds.saturating_add(50) / 100;
        format!("{} {}", self.decimal(tenths), self.say("unit-second", &[]))
    }

    /// A date with hour and minute, `2026-11-21 09:46`; a dash for a clock beyond all calendars.
    #[must_use]
    pub fn date(&self, seconds: i64) -> String {
        self.clock(seconds, "%Y-%m-%d %H:%M")
    }

    /// The time of day, `09:52:10`.
    #[must_use]
    pub fn time(&self, seconds: i64) -> String {
        self.clock(seconds, "%H:%M:%S")
    }

    fn clock(&self, seconds: i64, form: &str) -> String {
        Timestamp::from_second(seconds).map_or_else(
            |_| "–".to_owned(),
            |at| at.to_zoned(self.zone.clone()).strftime(form).to_string(),
        )
    }

    fn unit(&self, unit: usize) -> String {
        self.say(UNITS.get(unit).copied().unwrap_or_default(), &[])
    }

    fn number(&self, amount: &Amount) -> String {
        // Bytes are whole, and tenths of a kilobyte matter only in small ones.
        let tenths = tenths(amount.bytes, amount.unit);
        match amount.unit {
            0 => amount.bytes.to_string(),
            1 if tenths >= 100 => (amount.bytes.saturating_add(500) / 1_000).to_string(),
            _ => self.decimal(tenths),
        }
    }

    fn decimal(&self, tenths: u64) -> String {
        let mark = self.say("decimal-mark", &[]);
        format!("{}{mark}{}", tenths / 10, tenths % 10)
    }
}

/// How a count is put in a message that says `[one]` and `*[other]`. In French, zero is singular.
#[must_use]
pub fn form(count: u64, catalog: &Speech) -> &'static str {
    let zero_is_one = catalog.say("zero-is", &[]) == "one";
    match count {
        1 => "one",
        0 if zero_is_one => "one",
        _ => "other",
    }
}

/// Four digits, four, and the last four: enough to compare a hash by eye.
#[must_use]
pub fn fingerprint(hex: &str) -> String {
    let cut = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    let last = cut(hex.len().saturating_sub(4), hex.len());
    format!("{} {} … {last}", cut(0, 4), cut(4, 8))
}

fn tenths(bytes: u64, unit: usize) -> u64 {
    let scale = (0..unit).fold(1u128, |scale, _| scale * 1_000);
    let tenths = (u128::from(bytes) * 10 + scale / 2) / scale;
    u64::try_from(tenths).unwrap_or(u64::MAX)
}

fn amount(bytes: u64) -> Amount {
    let last = UNITS.len() - 1;
    // 999,500 bytes are 1.0 MB, and 999,499 are 999 KB.
    let fits = |unit: usize| match unit {
        0 => bytes < 1_000,
        1 => bytes < 999_500,
        _ => tenths(bytes, unit) < 10_000,
    };
    let unit = (0..last).find(|unit| fits(*unit)).unwrap_or(last);
    Amount { bytes, unit }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn english() -> Speech {
        Speech::new(Language::English, TimeZone::UTC)
    }

    fn french() -> Speech {
        Speech::new(Language::French, TimeZone::UTC)
    }

    #[test]
    fn sizes_are_as_on_a_data_plan() {
        let cases = [
            (0, "0 B", "0 o"),
            (999, "999 B", "999 o"),
            (1_000, "1.0 KB", "1,0 ko"),
            (6_148, "6.1 KB", "6,1 ko"),
            (9_949, "9.9 KB", "9,9 ko"),
            (9_950, "10 KB", "10 ko"),
            (38_200, "38 KB", "38 ko"),
            (999_499, "999 KB", "999 ko"),
            (999_500, "1.0 MB", "1,0 Mo"),
            (5_900_000, "5.9 MB", "5,9 Mo"),
            (18_400_000, "18.4 MB", "18,4 Mo"),
            (4_294_967_296, "4.3 GB", "4,3 Go"),
            (u64::MAX, "18446744.1 TB", "18446744,1 To"),
        ];
        for (bytes, en, fr) in cases {
            assert_eq!(english().size(bytes), en);
            assert_eq!(french().size(bytes), fr);
        }
    }

    #[test]
    fn a_part_is_in_the_unit_of_the_whole() {
        assert_eq!(english().part(1_200_000, 5_900_000), "1.2 of 5.9 MB");
        assert_eq!(french().part(40_000, 5_900_000), "0,0 sur 5,9 Mo");
        assert_eq!(english().part(70_000, 38_000), "38 of 38 KB");
        assert_eq!(english().part(0, 0), "0 of 0 B");
    }

    #[test]
    fn times_are_short() {
        let ages = [(0, "0 s"), (59, "59 s"), (120, "2 min"), (3_600, "1 h")];
        for (seconds, text) in ages {
            assert_eq!(english().age(seconds), text);
        }
        assert_eq!(english().age(12 * 86_400), "12 d");
        assert_eq!(french().age(12 * 86_400), "12 j");
        assert_eq!(english().span(152), "2 min 32 s");
        assert_eq!(english().span(3_900), "1 h 5 min");
        assert_eq!(english().span(3 * 86_400), "3 d");
        assert_eq!(english().took(412), "0.4 s");
        assert_eq!(french().took(9_949), "9,9 s");
        assert_eq!(english().took(9_950), "10 s");
        assert_eq!(english().took(u64::MAX), "213503982334 d");
    }

    #[test]
    fn dates_survive_any_clock() {
        assert_eq!(english().date(1_795_254_360), "2026-11-21 09:46");
        assert_eq!(english().time(1_795_254_360), "09:46:00");
        assert_eq!(english().date(0), "1970-01-01 00:00");
        assert_eq!(english().date(i64::MAX), "–");
    }

    #[test]
    fn a_moment_in_a_failure_is_told_where_the_reader_is() {
        let used = Failure::new(sanaga_proto::code::TOKEN_USED)
            .arg("node", "akwa-1")
            .arg("used", "2026-11-21T09:46:00Z")
            .arg("site", "douala-akwa");
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let told = Speech::new(Language::English, zone).failure(&used);
        assert!(
            told.starts_with(
                "error SNG-0217: this token was already used (akwa-1, 2026-11-21 10:46)\n"
            ),
            "{told}"
        );
    }

    #[test]
    fn hashes_are_cut_for_the_eye() {
        let hex = "9f2c41d7000000000000000000000000000000000000000000000000000000e803";
        assert_eq!(fingerprint(hex), "9f2c 41d7 … e803");
        assert_eq!(fingerprint(""), "  … ");
    }

    #[test]
    fn a_word_from_a_newer_daemon_is_shown_as_it_is() {
        assert_eq!(english().word("phase", "warming_up"), "warming up");
        assert_eq!(french().word("phase", "committed"), "validée");
    }
}
