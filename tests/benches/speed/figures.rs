//! Figures: medians, spread, and the machine they are from.

use std::fmt;
use std::time::Duration;

/// Prints what the figures are from.
pub fn machine() {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    println!(
        "{} × {}, Linux {}, load at the start {}",
        crate::servers::cores(),
        model.map_or("an unknown processor", |(_, model)| model),
        kernel.trim(),
        load.split_whitespace().next().unwrap_or("unknown"),
    );
}

/// The share `part` of sorted figures: 0.5 is the median.
pub fn quantile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * part).round() as usize)
        .copied()
        .unwrap_or(f64::NAN)
}

/// Latencies, or anything else that is counted often.
#[derive(Clone, Debug, Default)]
pub struct Figures(Vec<f64>);

impl Figures {
    /// One more.
    pub fn push(&mut self, figure: f64) {
        self.0.push(figure);
    }

    /// One more, in milliseconds.
    pub fn took(&mut self, time: Duration) {
        self.0.push(time.as_secs_f64() * 1e3);
    }

    /// All of another.
    pub fn extend(&mut self, other: Figures) {
        self.0.extend(other.0);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// See [`quantile`].
    pub fn at(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        quantile(&sorted, part)
    }

    /// The median.
    pub fn median(&self) -> f64 {
        self.at(0.5)
    }
}

/// Median and, in brackets, the least and the greatest.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(2);
        let (middle, least, most) = (self.median(), self.at(0.0), self.at(1.0));
        write!(f, "{middle:.digits$} ({least:.digits$}–{most:.digits$})")
    }
}
