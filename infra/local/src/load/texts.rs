//! English articles without end: the sentences of one real article, in another order each time, and with
//! another beginning, so that no two are equal.

use super::{numbers::Numbers, settings::Load};
use crate::demo::ARTICLE;

pub(super) struct Texts {
    sentences: Vec<String>,
    words: usize,
    long_every: usize,
    repeated: u8,
    seed: u64,
}

impl Texts {
    pub(super) fn new(load: &Load) -> Self {
        Self {
            sentences: sentences(),
            words: load.words,
            long_every: load.long_every,
            repeated: load.repeated,
            seed: load.seed,
        }
    }

    /// The number of the submission whose text this one has: its own, or that of an earlier one. A seed
    /// repeats it.
    pub(super) fn original(&self, number: usize) -> usize {
        let mut numbers = Numbers::of(self.seed ^ (number as u64).wrapping_mul(0x2545_f491_4f6c_dd1d));
        if number > 0 && numbers.below(100) < usize::from(self.repeated) {
            return self.original(numbers.below(number));
        }
        number
    }

    /// The text of an original submission.
    pub(super) fn text(&self, number: usize) -> String {
        let mut numbers = Numbers::of(self.seed.wrapping_add(number as u64));
        let is_long = self.long_every > 0 && number % self.long_every == self.long_every - 1;
        let most = if is_long { self.words * 10 } else { self.words };
        let mut text = format!("Report {number} of series {:x} was filed on that day.", self.seed);
        let mut words = 10;
        while words < most {
            let mut order: Vec<&str> = self.sentences.iter().map(String::as_str).collect();
            while words < most && !order.is_empty() {
                let sentence = order.swap_remove(numbers.below(order.len()));
                text.push(if numbers.below(6) == 0 { '\n' } else { ' ' });
                text.push_str(sentence);
                words += sentence.split_whitespace().count();
            }
        }
        text
    }
}

/// The sentences of the article.
fn sentences() -> Vec<String> {
    let text = ARTICLE.replace('\n', " ");
    let sentences = text.split_inclusive(". ").map(str::trim).filter(|sentence| sentence.ends_with('.'));
    sentences.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn texts(repeated: u8) -> Texts {
        Texts {
            sentences: sentences(),
            words: 700,
            long_every: 50,
            repeated,
            seed: 7,
        }
    }

    #[test]
    fn texts_have_the_wanted_length_and_only_the_wanted_ones_are_repeated() {
        let texts_of = texts(0);
        let all: Vec<String> = (0..200).map(|number| texts_of.text(number)).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 200);
        assert!((0..200).all(|number| texts_of.original(number) == number));
        assert_eq!(all[7], texts(0).text(7));
        let words = |text: &str| text.split_whitespace().count();
        assert!((690..790).contains(&words(&all[0])), "{}", words(&all[0]));
        assert!((6_900..7_300).contains(&words(&all[49])), "{}", words(&all[49]));
        let originals: HashSet<usize> = (0..1000).map(|number| texts(30).original(number)).collect();
        assert!((650..750).contains(&originals.len()), "{}", originals.len());
    }
}
