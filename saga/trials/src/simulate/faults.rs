//! What can go wrong, and how often.

use std::fmt;

use time::Duration;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Fault {
    /// A copy of a process dies at a step of its work, and starts again a little later
    Crash,
    /// A copy stands still, and goes on later as if nothing had happened
    Freeze,
    /// A transaction fails, and the process knows it
    Failure,
    /// A connection breaks while a transaction commits: nobody knows whether it did
    Unknown,
    /// The broker refuses a message
    Nack,
    /// No queue takes a message: it comes back, though it is confirmed
    Return,
    /// A connection ends before a message is confirmed: the broker may have it or not
    Loss,
    /// A message is delivered twice
    Duplicate,
    /// A message is late, by minutes at worst
    Delay,
    /// The clock of a copy jumps, by up to four minutes
    Jump,
    /// All copies of a process are gone for a while, at worst longer than a step may take
    Outage,
    /// The broker restarts: what was not acknowledged is delivered again
    BrokerRestart,
    /// A database is gone for a while
    DatabaseOutage,
    /// An operator cancels a saga, or retries or skips one of its steps
    Word,
    /// An operator replays a message of long ago
    Replay,
}

/// How much goes wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Level {
    /// A good day: messages overtake each other, and some come twice
    #[default]
    None,
    /// A bad day
    Light,
    /// Everything at once
    Heavy,
}

/// Which faults happen, and how often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    level: Level,
    /// One bit a kind, as numbered.
    kinds: u32,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::Crash,
        Self::Freeze,
        Self::Failure,
        Self::Unknown,
        Self::Nack,
        Self::Return,
        Self::Loss,
        Self::Duplicate,
        Self::Delay,
        Self::Jump,
        Self::Outage,
        Self::BrokerRestart,
        Self::DatabaseOutage,
        Self::Word,
        Self::Replay,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Freeze => "freeze",
            Self::Failure => "failure",
            Self::Unknown => "unknown",
            Self::Nack => "nack",
            Self::Return => "return",
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::Delay => "delay",
            Self::Jump => "jump",
            Self::Outage => "outage",
            Self::BrokerRestart => "broker-restart",
            Self::DatabaseOutage => "database-outage",
            Self::Word => "word",
            Self::Replay => "replay",
        }
    }

    /// Of ten thousand chances, how many it takes on a bad day, and when everything goes wrong at once.
    /// What befalls the whole system has as many shares of the misfortunes instead.
    fn rates(self) -> [u32; 2] {
        match self {
            Self::Crash => [3, 15],
            Self::Freeze => [1, 3],
            Self::Failure => [20, 200],
            Self::Unknown => [20, 200],
            Self::Nack | Self::Return => [20, 150],
            Self::Loss => [20, 300],
            Self::Duplicate => [500, 1_000],
            Self::Delay => [500, 1_000],
            Self::Word => [200, 1_500],
            Self::Replay => [200, 2_000],
            Self::Jump => [4, 4],
            Self::Outage | Self::BrokerRestart => [2, 2],
            Self::DatabaseOutage => [3, 3],
        }
    }

    fn bit(self) -> u32 {
        1 << (self as u32)
    }
}

impl Level {
    /// Its name on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Light => "light",
            Self::Heavy => "heavy",
        }
    }
}

impl Default for Faults {
    fn default() -> Self {
        Self::of(Level::None)
    }
}

impl Faults {
    /// All faults of a level.
    #[must_use]
    pub fn of(level: Level) -> Self {
        let kinds = match level {
            Level::None => Fault::Duplicate.bit() | Fault::Delay.bit(),
            Level::Light | Level::Heavy => Fault::ALL.iter().map(|fault| fault.bit()).sum(),
        };
        Self { level, kinds }
    }

    /// These kinds alone.
    #[must_use]
    pub fn only(self, kinds: &[Fault]) -> Self {
        let wanted: u32 = kinds.iter().fold(0, |bits, kind| bits | kind.bit());
        Self { kinds: self.kinds & wanted, ..self }
    }

    /// All but this kind.
    #[must_use]
    pub fn without(self, fault: Fault) -> Self {
        Self { kinds: self.kinds & !fault.bit(), ..self }
    }

    /// The kinds that happen.
    pub fn kinds(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.kinds & fault.bit() != 0)
    }

    /// Of ten thousand chances, how many a fault takes.
    pub(super) fn rate(self, fault: Fault) -> u32 {
        let [light, heavy] = fault.rates();
        match self.level {
            _ if self.kinds & fault.bit() == 0 => 0,
            Level::None | Level::Light => light,
            Level::Heavy => heavy,
        }
    }

    /// How long after the one before an order comes, on average.
    pub(super) fn between_orders(self) -> Duration {
        match self.level {
            Level::None => Duration::milliseconds(3),
            Level::Light => Duration::milliseconds(300),
            Level::Heavy => Duration::seconds(4),
        }
    }

    /// How long after the one before something befalls the whole system, on average.
    pub(super) fn between_misfortunes(self) -> Option<Duration> {
        match self.level {
            Level::None => None,
            Level::Light => Some(Duration::minutes(2)),
            Level::Heavy => Some(Duration::seconds(20)),
        }
    }

    /// How late the late are, and the very late.
    pub(super) fn lateness(self) -> [Duration; 2] {
        match self.level {
            Level::None | Level::Light => [Duration::milliseconds(500), Duration::seconds(30)],
            Level::Heavy => [Duration::seconds(3), Duration::minutes(15)],
        }
    }
}

/// As the command line has it.
impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--faults {}", self.level.as_str())?;
        if *self != Self::of(self.level) {
            let kinds: Vec<&str> = self.kinds().map(Fault::as_str).collect();
            write!(f, " --only {}", kinds.join(","))?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
