//! One measured figure of a run, its limit, and whether it holds.
#![expect(
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "ratios and milliseconds for people; what is measured is whole numbers"
)]

use std::borrow::Cow;

use serde::Serialize;

/// What the numbers of a figure are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Microseconds; people see milliseconds.
    Microseconds,
    /// Things that were counted.
    Count,
    /// Things in a second.
    PerSecond,
    /// Nanoseconds of processor time for one operation; people see microseconds.
    Nanoseconds,
    /// Microseconds of processor time for 10,000 store updates; people see seconds.
    ProcessorMicroseconds,
    /// Bytes of memory; people see MiB.
    Bytes,
    /// Hundredths: items in a request, processor cores.
    Hundredths,
    /// Thousandths of what it is compared with.
    Thousandths,
}

/// On which side of its limit a value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Side {
    /// The limit or less.
    AtMost,
    /// The limit or more.
    AtLeast,
}

/// What must keep to the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Judged {
    /// The median of the repetitions' ratios.
    Median,
    /// Every repetition.
    Every,
    /// Nothing: the figure explains others.
    Not,
}

/// A figure with one value for each repetition.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    name: Cow<'static, str>,
    unit: Unit,
    judged: Judged,
    side: Side,
    values: Vec<u64>,
    limits: Vec<u64>,
}

/// Median with the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread<T> {
    pub(crate) median: T,
    pub(crate) min: T,
    pub(crate) max: T,
}

/// A figure as it is written down.
#[derive(Debug, Serialize)]
pub(crate) struct Line<'a> {
    pub(crate) figure: &'a str,
    pub(crate) unit: Unit,
    pub(crate) value: Spread<u64>,
    pub(crate) values: &'a [u64],
    pub(crate) limits: &'a [u64],
    pub(crate) side: Side,
    /// Value by limit of the same repetition; none where nothing is judged or the limit is 0.
    pub(crate) ratio: Option<Spread<f64>>,
    pub(crate) judged: Judged,
    pub(crate) holds: bool,
}

impl Figure {
    /// A figure whose values must not exceed their limits.
    pub(crate) fn limited(name: impl Into<Cow<'static, str>>, unit: Unit, judged: Judged) -> Self {
        Self {
            name: name.into(),
            unit,
            judged,
            side: Side::AtMost,
            values: Vec::new(),
            limits: Vec::new(),
        }
    }

    /// A figure whose values must not fall below their limits.
    pub(crate) fn at_least(name: impl Into<Cow<'static, str>>, unit: Unit, judged: Judged) -> Self {
        Self {
            side: Side::AtLeast,
            ..Self::limited(name, unit, judged)
        }
    }

    /// A figure that explains others.
    pub(crate) fn told(name: impl Into<Cow<'static, str>>, unit: Unit) -> Self {
        Self::limited(name, unit, Judged::Not)
    }

    /// Adds the value of a repetition and its limit in the same one.
    pub(crate) fn add(&mut self, value: u64, limit: u64) {
        self.values.push(value);
        self.limits.push(limit);
    }

    /// Adds the value of a repetition that has no limit.
    pub(crate) fn tell(&mut self, value: u64) {
        self.values.push(value);
    }

    /// What there is to write down; none before the first repetition.
    pub(crate) fn line(&self) -> Option<Line<'_>> {
        let ratios: Option<Vec<f64>> = self.pairs().map(|(v, l)| ratio(v, l)).collect();
        Some(Line {
            figure: &self.name,
            unit: self.unit,
            value: spread(&self.values, u64::cmp)?,
            values: &self.values,
            limits: &self.limits,
            side: self.side,
            ratio: ratios.and_then(|ratios| spread(&ratios, f64::total_cmp)),
            judged: self.judged,
            holds: self.holds(),
        })
    }

    fn holds(&self) -> bool {
        match self.judged {
            Judged::Not => true,
            Judged::Every => self.pairs().all(|pair| self.keeps(pair)),
            Judged::Median => {
                let within = self.pairs().filter(|pair| self.keeps(*pair)).count();
                within * 2 > self.values.len()
            }
        }
    }

    fn keeps(&self, (value, limit): (u64, u64)) -> bool {
        match self.side {
            Side::AtMost => value <= limit,
            Side::AtLeast => value >= limit,
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (u64, u64)> {
        self.values.iter().copied().zip(self.limits.iter().copied())
    }
}

impl Line<'_> {
    /// The figure for people: median (least..greatest), and how much of its limit that is.
    pub(crate) fn text(&self) -> [String; 4] {
        let Spread { median, min, max } = self.value;
        let value = format!(
            "{} ({}..{})",
            self.number(median),
            self.number(min),
            self.number(max)
        );
        let ratio = self.ratio.map_or_else(String::new, |ratio| {
            format!("{:.2} ({:.2}..{:.2})", ratio.median, ratio.min, ratio.max)
        });
        let verdict = match (self.judged, self.holds) {
            (Judged::Not, _) => "",
            (_, true) => "holds",
            (_, false) => "BROKEN",
        };
        [self.figure.to_owned(), value, ratio, verdict.to_owned()]
    }

    fn number(&self, value: u64) -> String {
        match self.unit {
            Unit::Microseconds => format!("{:.1} ms", value as f64 / 1_000.0),
            Unit::Count => value.to_string(),
            Unit::PerSecond => format!("{value}/s"),
            Unit::Nanoseconds => format!("{:.2} us", value as f64 / 1_000.0),
            Unit::ProcessorMicroseconds => format!("{:.4} s", value as f64 / 1_000_000.0),
            Unit::Bytes => format!("{:.1} MiB", value as f64 / f64::from(1 << 20)),
            Unit::Hundredths => format!("{:.2}", value as f64 / 100.0),
            Unit::Thousandths => format!("{:.3}", value as f64 / 1_000.0),
        }
    }
}

fn ratio(value: u64, limit: u64) -> Option<f64> {
    (limit > 0).then(|| value as f64 / limit as f64)
}

/// The middle value, the lower one of two, with the least and the greatest.
fn spread<T: Copy>(
    values: &[T],
    order: impl Fn(&T, &T) -> std::cmp::Ordering,
) -> Option<Spread<T>> {
    let mut sorted = values.to_vec();
    sorted.sort_by(order);
    Some(Spread {
        median: *sorted.get(sorted.len().saturating_sub(1) / 2)?,
        min: *sorted.first()?,
        max: *sorted.last()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(judged: Judged, pairs: &[(u64, u64)]) -> Figure {
        let mut figure = Figure::limited("a.figure", Unit::Count, judged);
        pairs
            .iter()
            .for_each(|(value, limit)| figure.add(*value, *limit));
        figure
    }

    #[test]
    fn a_median_forgives_the_smaller_half_and_every_forgives_none() {
        let one_above = [(9, 10), (11, 10), (10, 10)];
        assert!(figure(Judged::Median, &one_above).holds());
        assert!(!figure(Judged::Every, &one_above).holds());
        assert!(!figure(Judged::Median, &[(11, 10), (12, 10), (1, 10)]).holds());
        assert!(
            !figure(Judged::Median, &[(11, 10), (1, 10)]).holds(),
            "half is not most"
        );
    }

    #[test]
    fn a_ratio_is_to_the_limit_of_the_same_repetition() {
        let figure = figure(Judged::Median, &[(5, 10), (30, 20), (1, 1)]);
        let line = figure.line().unwrap();
        let ratio = line.ratio.unwrap();
        assert_eq!((ratio.median, ratio.min, ratio.max), (1.0, 0.5, 1.5));
        assert_eq!(
            (line.value.median, line.value.min, line.value.max),
            (5, 1, 30)
        );
        assert!(line.holds);
    }

    #[test]
    fn what_must_not_fall_below_its_limit_is_broken_by_less() {
        let mut rate = Figure::at_least("a.rate", Unit::Thousandths, Judged::Median);
        [(250, 250), (400, 250), (100, 250)]
            .iter()
            .for_each(|(value, limit)| rate.add(*value, *limit));
        assert!(rate.holds());
        rate.add(249, 250);
        assert!(!rate.holds(), "half is not most");
        let line = rate.line().unwrap();
        assert_eq!(line.side, Side::AtLeast);
        assert_eq!(line.text()[1], "0.249 (0.100..0.400)");
    }

    #[test]
    fn a_limit_of_zero_has_no_ratio_but_can_be_broken() {
        let kept = figure(Judged::Every, &[(0, 0)]);
        assert!(kept.line().unwrap().ratio.is_none() && kept.holds());
        assert!(!figure(Judged::Every, &[(0, 0), (1, 0)]).holds());
        assert!(Figure::told("a.figure", Unit::Count).line().is_none());
    }
}
