//! Python's dates, times and spans. Only what Python itself could hold can be made.

use super::Sink;
use crate::Error;

/// A `datetime.date`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// A `datetime.time`: to the microsecond, perhaps with an offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    microsecond: u32,
    offset: Option<Offset>,
    fold: bool,
}

/// A `datetime.datetime`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateTime {
    /// The day.
    pub date: Date,
    /// The time of that day.
    pub time: Time,
}

/// A `datetime.timedelta`, in Python's own normal form: only the days can be negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimeDelta {
    days: i32,
    seconds: u32,
    microseconds: u32,
}

/// A `datetime.timezone`: a fixed distance from UTC, less than a day either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Offset(TimeDelta);

impl Date {
    /// A day of the years 1 to 9999.
    ///
    /// # Errors
    /// [`Error::Impossible`] when the calendar has no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, Error> {
        let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        if (1..=9999).contains(&year) && (1..=days).contains(&day) {
            return Ok(Date { year, month, day });
        }
        Err(impossible("a date", format!("{year}-{month}-{day}"), "give a day that the calendar has, years 1 to 9999"))
    }
}

impl Time {
    /// A time of day, without offset.
    ///
    /// # Errors
    /// [`Error::Impossible`] beyond 23:59:59.999999.
    pub fn new(hour: u8, minute: u8, second: u8, microsecond: u32) -> Result<Self, Error> {
        if hour < 24 && minute < 60 && second < 60 && microsecond < 1_000_000 {
            return Ok(Time { hour, minute, second, microsecond, offset: None, fold: false });
        }
        let text = format!("{hour}:{minute}:{second}.{microsecond:06}");
        Err(impossible("a time", text, "give a time between 0:0:0.000000 and 23:59:59.999999"))
    }

    /// The same time at this distance from UTC.
    #[must_use]
    pub const fn at(mut self, offset: Offset) -> Self {
        self.offset = Some(offset);
        self
    }

    /// The same time, marked as the second of two that a clock going back shows.
    #[must_use]
    pub const fn folded(mut self) -> Self {
        self.fold = true;
        self
    }
}

impl TimeDelta {
    /// A span in Python's normal form: any days, then less than a day of seconds and less than a second of microseconds.
    ///
    /// # Errors
    /// [`Error::Impossible`] for what is not normal or beyond 999999999 days.
    pub fn new(days: i32, seconds: u32, microseconds: u32) -> Result<Self, Error> {
        if days.unsigned_abs() <= 999_999_999 && seconds < 86_400 && microseconds < 1_000_000 {
            return Ok(TimeDelta { days, seconds, microseconds });
        }
        let text = format!("{days} d {seconds} s {microseconds} us");
        Err(impossible(
            "a timedelta",
            text,
            "give up to 999999999 days, then 0..86399 seconds and 0..999999 microseconds",
        ))
    }
}

impl Offset {
    /// UTC itself.
    pub const UTC: Offset = Offset(TimeDelta { days: 0, seconds: 0, microseconds: 0 });

    /// A distance from UTC.
    ///
    /// # Errors
    /// [`Error::Impossible`] for a day or more.
    pub fn new(distance: TimeDelta) -> Result<Self, Error> {
        let TimeDelta { days, seconds, microseconds } = distance;
        if days == 0 || days == -1 && (seconds, microseconds) != (0, 0) {
            return Ok(Offset(distance));
        }
        Err(impossible("an offset", format!("{days} d {seconds} s"), "stay less than a day from UTC"))
    }
}

pub(super) fn write_date(sink: &mut impl Sink, Date { year, month, day }: Date) {
    sink.push_fmt(format_args!("datetime.date({year}, {month}, {day})"));
}

/// `fold` comes after the zone here, and before it in a datetime.
pub(super) fn write_time(sink: &mut impl Sink, time: &Time) {
    sink.push_fmt(format_args!("datetime.time({}, {}", time.hour, time.minute));
    write_seconds(sink, time);
    write_offset(sink, time.offset);
    sink.push(if time.fold { ", fold=1)" } else { ")" });
}

pub(super) fn write_datetime(sink: &mut impl Sink, DateTime { date, time }: &DateTime) {
    let Date { year, month, day } = date;
    sink.push_fmt(format_args!("datetime.datetime({year}, {month}, {day}, {}, {}", time.hour, time.minute));
    write_seconds(sink, time);
    sink.push(if time.fold { ", fold=1" } else { "" });
    write_offset(sink, time.offset);
    sink.push(")");
}

pub(super) fn write_timedelta(sink: &mut impl Sink, TimeDelta { days, seconds, microseconds }: TimeDelta) {
    let fields =
        [("days", i64::from(days)), ("seconds", i64::from(seconds)), ("microseconds", i64::from(microseconds))];
    let mut before = "datetime.timedelta(";
    for (name, count) in fields.into_iter().filter(|(_, count)| *count != 0) {
        sink.push_fmt(format_args!("{before}{name}={count}"));
        before = ", ";
    }
    sink.push(if before == ", " { ")" } else { "datetime.timedelta(0)" });
}

fn write_seconds(sink: &mut impl Sink, time: &Time) {
    match (time.second, time.microsecond) {
        (0, 0) => {}
        (second, 0) => sink.push_fmt(format_args!(", {second}")),
        (second, microsecond) => sink.push_fmt(format_args!(", {second}, {microsecond}")),
    }
}

fn write_offset(sink: &mut impl Sink, offset: Option<Offset>) {
    match offset {
        None => {}
        Some(Offset::UTC) => sink.push(", tzinfo=datetime.timezone.utc"),
        Some(Offset(distance)) => {
            sink.push(", tzinfo=datetime.timezone(");
            write_timedelta(sink, distance);
            sink.push(")");
        }
    }
}

fn impossible(what: &'static str, text: String, hint: &'static str) -> Error {
    Error::Impossible { what, text, hint }
}
