//! Medians and what can be said about them from few samples.

/// The median of a sample and an interval around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Median {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    /// How surely the true median lies between `low` and `high`.
    pub(crate) confidence: f64,
}

/// The median, with the narrowest interval between two samples that holds the true median with at
/// least 95 %; all samples, where there are too few for that. Distribution-free: how many samples
/// lie below the true median is binomial with one half.
///
/// `None` without samples.
pub(crate) fn median(samples: &[f64]) -> Option<Median> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    let mut median = Median {
        value: (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
        low: first,
        high: last,
        confidence: confidence(n, 1),
    };
    for cut in 2..=n / 2 {
        let confidence = confidence(n, cut);
        if confidence < 0.95 {
            break;
        }
        median.low = sorted[cut - 1];
        median.high = sorted[n - cut];
        median.confidence = confidence;
    }
    Some(median)
}

/// How surely the true median lies between the `cut`-th smallest and the `cut`-th largest of `n`.
fn confidence(n: usize, cut: usize) -> f64 {
    let mut below = 0.0;
    let mut ways = 1.0;
    for k in 0..cut {
        below += ways;
        ways *= (n - k) as f64 / (k + 1) as f64;
    }
    1.0 - 2.0 * below / 2_f64.powi(n as i32)
}

#[cfg(test)]
mod tests;
