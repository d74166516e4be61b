//! Figures by name, and their medians and ranges over several runs.

use std::time::Duration;

use serde::Serialize;

/// The figures of one run, in the order they were set in.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    figures: Vec<(String, f64)>,
}

/// One figure over all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figure {
    /// The middle of all runs; of an even number, the mean of the two in the middle.
    pub median: f64,
    /// The least of all runs.
    pub min: f64,
    /// The greatest of all runs.
    pub max: f64,
    /// Run by run.
    pub runs: Vec<f64>,
}

/// The figures of all runs.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    runs: Vec<Run>,
}

impl Run {
    /// Sets a figure.
    pub fn set(&mut self, name: &str, value: f64) {
        self.figures.push((name.to_owned(), value));
    }

    /// A figure.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

impl Figures {
    /// Adds a run.
    pub fn add(&mut self, run: Run) {
        self.runs.push(run);
    }

    /// A figure over all runs, if they have it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Figure> {
        let runs: Vec<f64> = self.runs.iter().filter_map(|run| run.get(name)).collect();
        let mut sorted = runs.clone();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let median = f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
        Some(Figure { median, min, max, runs })
    }

    /// All figures by name, in their order.
    pub fn all(&self) -> impl Iterator<Item = (&str, Figure)> {
        let names = self.runs.first().map(|run| run.figures.as_slice()).unwrap_or_default();
        names.iter().filter_map(|(name, _)| Some((name.as_str(), self.get(name)?)))
    }
}

/// The duration that so many of all (0 to 1) do not exceed.
pub(super) fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_least_that_so_many_do_not_exceed() {
        let sorted: Vec<Duration> = (1..=1000).map(Duration::from_millis).collect();
        let at = |share| quantile(&sorted, share).as_millis();
        assert_eq!((at(0.5), at(0.99), at(0.999), at(1.0)), (500, 990, 999, 1000));
        assert_eq!(quantile(&[], 0.5), Duration::ZERO);
    }

    #[test]
    fn a_median_is_the_middle_run_and_the_range_has_all() {
        let mut figures = Figures::default();
        for value in [3.0, 1.0, 2.0] {
            let mut run = Run::default();
            run.set("sagas", value);
            figures.add(run);
        }
        let figure = figures.get("sagas").unwrap();
        assert_eq!((figure.median, figure.min, figure.max), (2.0, 1.0, 3.0));
        let mut run = Run::default();
        run.set("sagas", 3.0);
        figures.add(run);
        assert_eq!(figures.get("sagas").unwrap().median, 2.5);
        assert_eq!(figures.all().map(|(name, _)| name).collect::<Vec<_>>(), ["sagas"]);
        assert_eq!(figures.get("sales"), None);
    }
}
