//! Medians and their spread.

/// Values of one figure, each from a run of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// One more value.
    pub(crate) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    /// The value that this share of the values does not exceed; 0 without values.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "the rank of one of a few thousand values"
        )]
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// The middle value.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The largest value.
    pub(crate) fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// What each value is more than the other's of the same run.
    pub(crate) fn less(&self, other: &Self) -> Self {
        self.0
            .iter()
            .zip(&other.0)
            .map(|(own, other)| own - other)
            .collect()
    }

    /// Median with least and largest value.
    pub(crate) fn spread(&self, decimals: usize, unit: &str) -> String {
        let (median, min, max) = (self.median(), self.quantile(0.0), self.max());
        format!("{median:.decimals$} {unit} ({min:.decimals$} to {max:.decimals$})")
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let samples: Samples = (1..=100).rev().map(f64::from).collect();
        assert_eq!(
            [0.0, 0.5, 0.99, 1.0].map(|share| samples.quantile(share)),
            [1.0, 50.0, 99.0, 100.0]
        );
        assert_eq!(samples.spread(1, "ms"), "50.0 ms (1.0 to 100.0)");
        assert_eq!(Samples::default().median(), 0.0);
    }

    #[test]
    fn runs_are_compared_with_the_run_beside_them() {
        let of = |values: [f64; 3]| values.into_iter().collect::<Samples>();
        let more = of([9.0, 2.0, 5.0]).less(&of([8.0, 1.0, 6.0]));
        assert_eq!([more.quantile(0.0), more.median(), more.max()], [-1.0, 1.0, 1.0]);
    }
}
