//! What an operator asks of a replay.

use std::str::FromStr;

use saga_core::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};

use super::{Condition, Trouble};
use crate::broker::LONGEST_NAME;

/// What to deliver again, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Where the messages come from.
    #[serde(flatten)]
    pub source: Source,
    /// The queue that they go to. Without it: parked messages and those of a queue to where they came from,
    /// history to every queue that its type is bound to.
    pub to: Option<String>,
    /// Take only what all of these hold of.
    #[serde(rename = "where", default)]
    pub conditions: Vec<Condition>,
    /// Deliver nothing, and say of each message what it would do.
    #[serde(default)]
    pub dry_run: bool,
    /// At most so many messages a second.
    #[schema(minimum = 1)]
    pub rate: Option<u32>,
    /// In stages, each a percentage of all, rising to 100: after each, what became of its messages is waited for.
    #[serde(default)]
    pub ramp: Vec<u8>,
    /// Stop when more than so many failed: a number, or a percentage of all. With a ramp the first failure stops it
    /// unless this says otherwise.
    pub max_failures: Option<MaxFailures>,
}

/// Where the messages of a replay come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum Source {
    /// What is parked.
    Parked {
        /// Which, each as process and number: `inventory-service/3`. None: all of all processes.
        #[serde(default)]
        messages: Vec<String>,
    },
    /// Any queue.
    Queue {
        /// Its name.
        queue: String,
    },
    /// History, from the stream of all events.
    Stream {
        /// What was made at this time or later; from the beginning without it.
        #[serde(default, with = "crate::http::times::option")]
        #[schema(value_type = Option<String>, format = DateTime)]
        from: Option<Time>,
        /// What was made before this time; until now without it.
        #[serde(default, with = "crate::http::times::option")]
        #[schema(value_type = Option<String>, format = DateTime)]
        until: Option<Time>,
    },
    /// History, from the journals of all processes.
    Journals {
        /// What was made at this time or later; from the beginning without it. Nothing older than `SAGA_RETENTION` is
        /// taken.
        #[serde(default, with = "crate::http::times::option")]
        #[schema(value_type = Option<String>, format = DateTime)]
        from: Option<Time>,
        /// What was made before this time; until now without it.
        #[serde(default, with = "crate::http::times::option")]
        #[schema(value_type = Option<String>, format = DateTime)]
        until: Option<Time>,
    },
}

/// How many messages may fail: `10`, or `5%` of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum MaxFailures {
    /// So many.
    Number(u32),
    /// So many of a hundred.
    Percent(u8),
}

impl Plan {
    /// # Errors
    /// [`Trouble::Wrong`]: what contradicts itself.
    pub(crate) fn check(&self) -> Result<(), Trouble> {
        let wrong = |what: &str| Err(Trouble::Wrong(what.to_owned()));
        if self.rate == Some(0) {
            return wrong("rate: at least 1 message a second");
        }
        let rises = self.ramp.windows(2).all(|pair| pair[0] < pair[1]) && self.ramp.first() != Some(&0);
        let complete = self.ramp.last().is_none_or(|last| *last == 100);
        if !(rises && complete) {
            return wrong("ramp: percentages that rise to 100, as in 1,5,20,100");
        }
        let from = if let Source::Queue { queue } = &self.source { Some(queue) } else { None };
        if from.is_some() && from == self.to.as_ref() {
            return wrong("to: the queue that the messages come from would be read for ever");
        }
        for (what, queue) in [("queue", from), ("to", self.to.as_ref())] {
            if queue.is_some_and(|queue| queue.is_empty() || queue.len() > LONGEST_NAME) {
                return wrong(&format!("{what}: a queue's name has 1 to {LONGEST_NAME} bytes"));
            }
        }
        if self.texts().any(|text| text.contains('\0')) {
            return wrong("a text contains the character U+0000, which no message and no queue's name has");
        }
        Ok(())
    }

    /// All that it holds and may be any text.
    fn texts(&self) -> impl Iterator<Item = &str> {
        let (messages, queue) = match &self.source {
            Source::Parked { messages } => (messages.as_slice(), None),
            Source::Queue { queue } => (&[][..], Some(queue.as_str())),
            Source::Stream { .. } | Source::Journals { .. } => (&[][..], None),
        };
        let conditions = self.conditions.iter().map(Condition::as_str);
        messages.iter().map(String::as_str).chain(queue).chain(self.to.as_deref()).chain(conditions)
    }

    /// How many of `total` messages may fail; `None` for any number.
    pub(super) fn most_failures(&self, total: i64) -> Option<i64> {
        match self.max_failures {
            Some(MaxFailures::Number(number)) => Some(i64::from(number)),
            Some(MaxFailures::Percent(percent)) => Some(total * i64::from(percent) / 100),
            None => (!self.ramp.is_empty()).then_some(0),
        }
    }

    /// How many more messages may go until the stage of the ramp that holds `before` is at its end.
    pub(super) fn left_in_stage(&self, total: i64, before: i64) -> Option<i64> {
        // At least one message in each stage, and all in the last.
        let ends = self.ramp.iter().map(|percent| (total * i64::from(*percent) / 100).max(1));
        ends.map(|end| end - before).find(|left| *left > 0)
    }

    /// Whether it waits for what becomes of its messages.
    pub(super) fn watches(&self) -> bool {
        !self.ramp.is_empty() || self.max_failures.is_some() || matches!(self.source, Source::Parked { .. })
    }
}

impl Source {
    /// Its word in the database.
    pub(super) fn as_str(&self) -> &'static str {
        match self {
            Self::Parked { .. } => "parked",
            Self::Queue { .. } => "queue",
            Self::Stream { .. } => "stream",
            Self::Journals { .. } => "journals",
        }
    }
}

impl FromStr for MaxFailures {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is neither a number nor a percentage: write 10 or 5%");
        match text.strip_suffix('%') {
            Some(percent) => {
                percent.parse().ok().filter(|percent| *percent <= 100).map(Self::Percent).ok_or_else(wrong)
            }
            None => text.parse().map(Self::Number).map_err(|_| wrong()),
        }
    }
}

impl TryFrom<String> for MaxFailures {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MaxFailures> for String {
    fn from(most: MaxFailures) -> Self {
        match most {
            MaxFailures::Number(number) => number.to_string(),
            MaxFailures::Percent(percent) => format!("{percent}%"),
        }
    }
}

impl utoipa::PartialSchema for MaxFailures {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).description(Some("`10`, or `5%` of all")).into()
    }
}

impl ToSchema for MaxFailures {}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(ramp: &[u8], max_failures: Option<&str>) -> Plan {
        Plan {
            source: Source::Queue { queue: "theirs".to_owned() },
            to: None,
            conditions: Vec::new(),
            dry_run: false,
            rate: None,
            ramp: ramp.to_vec(),
            max_failures: max_failures.map(|text| text.parse().unwrap()),
        }
    }

    #[test]
    fn a_ramp_goes_up_by_stages_and_each_has_at_least_one_message() {
        let plan = plan(&[1, 5, 20, 100], None);
        let (mut before, mut stages) = (0, Vec::new());
        while let Some(left) = plan.left_in_stage(50, before) {
            stages.push(left);
            before += left;
        }
        assert_eq!(stages, [1, 1, 8, 40]);
        assert_eq!(plan.left_in_stage(1, 0), Some(1));
        assert_eq!(plan.left_in_stage(1, 1), None);
    }

    #[test]
    fn a_ramp_stops_at_the_first_failure_unless_more_are_allowed() {
        assert_eq!(plan(&[1, 100], None).most_failures(50), Some(0));
        assert_eq!(plan(&[1, 100], Some("5%")).most_failures(50), Some(2));
        assert_eq!(plan(&[], Some("7")).most_failures(50), Some(7));
        assert_eq!(plan(&[], None).most_failures(50), None);
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        for ramp in [&[0, 100][..], &[5, 5, 100], &[20, 5, 100], &[1, 5]] {
            assert!(plan(ramp, None).check().is_err(), "{ramp:?}");
        }
        assert!(plan(&[1, 5, 20, 100], Some("5%")).check().is_ok());
        let onto_itself = Plan { to: Some("theirs".to_owned()), ..plan(&[], None) };
        assert!(onto_itself.check().is_err());
        for name in [String::new(), "q".repeat(LONGEST_NAME + 1)] {
            assert!(Plan { to: Some(name.clone()), ..plan(&[], None) }.check().is_err());
            assert!(Plan { source: Source::Queue { queue: name }, ..plan(&[], None) }.check().is_err());
        }
        for text in ["", "101%", "-1", "five"] {
            assert!(text.parse::<MaxFailures>().is_err(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_stored_is_refused_wherever_it_hides() {
        let plan = plan(&[], None);
        assert!(plan.check().is_ok());
        let parked = |message: &str| Source::Parked { messages: vec![message.to_owned()] };
        assert!(Plan { source: parked("inventory-service/3"), ..plan.clone() }.check().is_ok());
        for hidden in [
            Plan { source: parked("\0"), ..plan.clone() },
            Plan { source: Source::Queue { queue: "\0".to_owned() }, ..plan.clone() },
            Plan { to: Some("\0".to_owned()), ..plan.clone() },
            Plan { conditions: vec!["subject=\0".parse().unwrap()], ..plan },
        ] {
            assert!(hidden.check().is_err(), "{hidden:?}");
        }
    }

    #[test]
    fn a_plan_is_the_same_after_a_round_trip_through_storage() {
        let plan = Plan { conditions: vec!["type=X".parse().unwrap()], ..plan(&[1, 100], Some("5%")) };
        let stored = serde_json::to_value(&plan).unwrap();
        assert_eq!(stored["source"], "queue");
        assert_eq!(serde_json::from_value::<Plan>(stored).unwrap(), plan);
    }
}
