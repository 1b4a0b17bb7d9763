//! Words, stems and how much each one tells.

use std::collections::{HashMap, HashSet};

use unicode_segmentation::UnicodeSegmentation;

use super::{language::Language, segment::Unit};

/// Number of words (UAX #29).
pub(super) fn count(text: &str) -> usize {
    text.unicode_words().count()
}

/// The stemmed content words of all sentences.
pub(super) struct Lexicon {
    /// Per sentence: its distinct stems, ascending, with a weight each; the vector has length 1.
    pub vectors: Vec<Vec<(u32, f64)>>,
    /// Per sentence: number of words, and of content words.
    pub counts: Vec<(usize, usize)>,
    /// Per stem: number of sentences that have it.
    pub frequency: Vec<u32>,
    /// Per stem: its weight, `ln(1 + N / frequency)`.
    pub weight: Vec<f64>,
    surface: Vec<String>,
}

impl Lexicon {
    pub(super) fn build(units: &[Unit<'_>], language: Language) -> Self {
        let stop: HashSet<&str> = language.stop_words().iter().copied().collect();
        let stemmer = language.stemmer();
        let mut ids: HashMap<String, u32> = HashMap::new();
        let mut known: HashMap<String, Option<u32>> = HashMap::new();
        let (mut surface, mut frequency) = (Vec::new(), Vec::<u32>::new());
        let (mut stems, mut counts) = (Vec::new(), Vec::new());
        for unit in units {
            let (mut found, mut words, mut content) = (Vec::new(), 0, 0);
            for word in unit.text.unicode_words() {
                words += 1;
                let lower = word.to_lowercase();
                let id = *known.entry(lower).or_insert_with_key(|lower| {
                    if stop.contains(lower.as_str()) || !lower.contains(char::is_alphanumeric) {
                        return None;
                    }
                    let stem = stemmer
                        .as_ref()
                        .map_or_else(|| lower.clone(), |stemmer| stemmer.stem(lower).into_owned());
                    Some(*ids.entry(stem).or_insert_with(|| {
                        surface.push(lower.clone());
                        frequency.push(0);
                        u32::try_from(surface.len() - 1).unwrap_or(u32::MAX)
                    }))
                });
                if let Some(id) = id {
                    content += 1;
                    found.push(id);
                }
            }
            found.sort_unstable();
            found.dedup();
            for id in &found {
                frequency[*id as usize] += 1;
            }
            counts.push((words, content));
            stems.push(found);
        }
        let sentences = real(units.len());
        let weight: Vec<f64> = frequency
            .iter()
            .map(|df| (1.0 + sentences / f64::from((*df).max(1))).ln())
            .collect();
        let vectors = stems.into_iter().map(|found| unit_vector(&found, &weight)).collect();
        Self {
            vectors,
            counts,
            frequency,
            weight,
            surface,
        }
    }

    /// The `most` stems that tell most, as first written, in lower case.
    pub(super) fn keywords(&self, most: usize) -> Vec<String> {
        let told = |id: usize| f64::from(self.frequency[id]) * self.weight[id];
        let mut ids: Vec<usize> = (0..self.surface.len()).filter(|id| self.surface[*id].chars().count() > 2).collect();
        ids.sort_by(|a, b| told(*b).total_cmp(&told(*a)).then(a.cmp(b)));
        ids.into_iter().take(most).map(|id| self.surface[id].clone()).collect()
    }

    /// Cosine of two sentences.
    pub(super) fn similarity(&self, a: usize, b: usize) -> f64 {
        let (mut left, mut right) = (self.vectors[a].iter().peekable(), self.vectors[b].iter().peekable());
        let mut sum = 0.0;
        while let (Some((i, x)), Some((j, y))) = (left.peek(), right.peek()) {
            match i.cmp(j) {
                std::cmp::Ordering::Less => drop(left.next()),
                std::cmp::Ordering::Greater => drop(right.next()),
                std::cmp::Ordering::Equal => {
                    sum += x * y;
                    left.next();
                    right.next();
                }
            }
        }
        sum
    }
}

fn unit_vector(stems: &[u32], weight: &[f64]) -> Vec<(u32, f64)> {
    let norm = stems.iter().map(|id| weight[*id as usize].powi(2)).sum::<f64>().sqrt();
    stems.iter().map(|id| (*id, weight[*id as usize] / norm)).collect()
}

/// A count as a real number; exact for every text that fits in memory.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) const fn real(count: usize) -> f64 {
    count as f64
}
