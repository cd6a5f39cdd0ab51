//! Medians and spreads.

/// What several runs of the same thing gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// Half of the values are below.
    pub median: f64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
}

impl Spread {
    /// Of `values`, in any order. `None` if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { median, min, max })
    }

    /// Of `a / b`, pair by pair: both of a pair were measured one right after the other, so that what disturbs the
    /// machine for longer disturbs both.
    pub fn of_ratios(pairs: impl IntoIterator<Item = (f64, f64)>) -> Option<Self> {
        Self::of(pairs.into_iter().filter(|(_, b)| *b > 0.0).map(|(a, b)| a / b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_whatever_the_order() {
        let odd = Spread::of([5.0, 1.0, 3.0]).unwrap();
        assert_eq!(odd, Spread { median: 3.0, min: 1.0, max: 5.0 });
        let even = Spread::of([4.0, 1.0, 2.0, 100.0]).unwrap();
        assert_eq!(even, Spread { median: 3.0, min: 1.0, max: 100.0 });
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn ratios_are_of_pairs_and_not_of_medians() {
        // The machine was twice as slow in the second pair, for both.
        let ratios = Spread::of_ratios([(3.0, 1.0), (6.0, 2.0), (5.0, 5.0)]).unwrap();
        assert_eq!(ratios, Spread { median: 3.0, min: 1.0, max: 3.0 });
        assert_eq!(Spread::of_ratios([(1.0, 0.0)]), None);
    }
}
